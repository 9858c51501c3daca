"""Fine-tuning of diffusers pipelines; `finetune` is the one way in."""
