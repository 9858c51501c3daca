"""Pipelines of diffusers with few and random weights, made on the spot."""

SIDE = 32


def tokenizer():
    from transformers import CLIPTokenizer

    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def stable_diffusion(channels=4, prediction="epsilon"):
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    words = tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1, pad_token_id=len(words) - 1,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 2, in_channels=channels, out_channels=4, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=16,
        attention_head_dim=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    kind = (
        diffusers.StableDiffusionInpaintPipeline
        if channels == 9
        else (diffusers.StableDiffusionPipeline)
    )
    return kind(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=words, unet=unet,
        scheduler=diffusers.DDIMScheduler(num_train_timesteps=100, prediction_type=prediction),
        safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def text_config(words):
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1, pad_token_id=len(words) - 1, projection_dim=16,
    )  # fmt: skip


def autoencoder(channels):
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=1.0, shift_factor=0.0,
    )  # fmt: skip


def stable_diffusion_xl():
    import diffusers
    import torch
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    words = tokenizer()
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 2, in_channels=4, out_channels=4, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=32,
        attention_head_dim=(2, 4), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1), projection_class_embeddings_input_dim=16 + 6 * 8,
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(4), text_encoder=CLIPTextModel(text_config(words)), tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(text_config(words)), tokenizer_2=words,
        unet=unet, scheduler=diffusers.EulerDiscreteScheduler(num_train_timesteps=100),
        add_watermarker=False,
    )  # fmt: skip


def stable_diffusion_3():
    import diffusers
    import torch
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(0)
    words = tokenizer()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIDE // 2, patch_size=2, in_channels=16, out_channels=16, num_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=32,
        caption_projection_dim=16, pooled_projection_dim=32, pos_embed_max_size=32,
    )  # fmt: skip
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, vae=autoencoder(16),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=100),
        text_encoder=CLIPTextModelWithProjection(text_config(words)), tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(text_config(words)), tokenizer_2=words,
        text_encoder_3=None, tokenizer_3=None,
    )  # fmt: skip


def pixel_only(folder):
    """An unconditional pipeline: it takes no words."""
    import diffusers

    unet = diffusers.UNet2DModel(
        sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, norm_num_groups=4,
        block_out_channels=(8, 8), down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler()).save_pretrained(folder)
    return folder
