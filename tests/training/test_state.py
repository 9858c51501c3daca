"""A stage in training on disk: which checkpoint is the best, what a state or a network may lack."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from radsmith.errors import InvalidInput
from radsmith.training.discriminator import Discriminator, DiscriminatorParams
from radsmith.training.network import Finish, Upsampler, UpsamplerParams
from radsmith.training.state import Run, keep_best, resume, save_state, take_weights, use_best

SMALL = UpsamplerParams(concepts=3, channels=8, depth=1, scale=2)


def run_of(value, *, pretrained=False):
    network, average = Upsampler(SMALL), Upsampler(SMALL)
    torch.nn.init.constant_(average.leave.bias, value)
    critic = Discriminator(DiscriminatorParams(channels=(8,), pretrained=pretrained))
    return Run(
        network=network,
        average=average,
        optimizer=torch.optim.Adam(network.parameters()),
        device=torch.device("cpu"),
        critic=critic,
        critic_optimizer=torch.optim.Adam(critic.parameters()),
    )


@pytest.mark.parametrize(
    ("second", "kept"), [(0.5, 1.0), (0.1, 2.0), (0.2, 2.0)], ids=["worse", "better", "equal"]
)
def test_the_best_checkpoint_is_kept_and_of_equal_ones_the_last(tmp_path, second, kept):
    best = None
    for value, figure in ((1.0, 0.2), (2.0, second)):
        run = run_of(value)
        run.best, run.step = best, int(value)
        keep_best(run, tmp_path, "octave", figure)
        best = run.best
    stored = load_file(tmp_path / "octave-best.safetensors")
    assert stored["leave.bias"].unique().tolist() == [kept]
    assert json.loads((tmp_path / "octave-best.json").read_text())["step"] == int(kept)


def test_a_stage_may_get_more_blocks_which_add_nothing_yet(tmp_path):
    torch.manual_seed(0)
    old, new = Upsampler(SMALL), Upsampler(replace(SMALL, depth=3))
    for block in old.blocks:
        torch.nn.init.normal_(block.conv2.weight)
    torch.nn.init.normal_(old.leave.weight)
    take_weights(new, old)
    given = torch.randn(1, 3, 8, 8), torch.randn(1, 1, 4, 4), torch.ones(1), torch.ones(1, 1)
    ids = torch.ones(1, 16, dtype=torch.long)
    assert torch.allclose(new(*given, ids), old(*given, ids), atol=1e-6)
    with pytest.raises(InvalidInput, match="depth"):
        take_weights(old, new)
    run = run_of(1.0)
    save_state(run, tmp_path, "octave", {})
    deeper = Upsampler(replace(SMALL, depth=2))
    grown = replace(run, network=deeper, average=Upsampler(replace(SMALL, depth=2)))
    grown.optimizer = torch.optim.Adam(deeper.parameters())
    resume(grown, tmp_path, "octave")
    assert torch.equal(grown.network.blocks[0].conv1.weight, run.network.blocks[0].conv1.weight)


def test_a_discriminator_may_begin_to_look_through_another_network(tmp_path):
    before = run_of(1.0)
    before.step = 7
    save_state(before, tmp_path, "octave", {})
    after = run_of(2.0, pretrained=True)
    heads = {k: v.clone() for k, v in after.critic.state_dict().items() if k.startswith("seen.")}
    resume(after, tmp_path, "octave")
    assert after.step == 7 and torch.equal(after.average.leave.bias, before.average.leave.bias)
    own = after.critic.state_dict()
    assert torch.equal(own["enter.0.weight"], before.critic.enter[0].weight)
    assert heads and all(torch.equal(own[name], value) for name, value in heads.items())
    back = run_of(3.0)  # without it, as an export asks for it
    save_state(after, tmp_path, "octave", {})
    assert after.critic_from == 0
    resume(back, tmp_path, "octave")
    assert torch.equal(back.average.leave.bias, before.average.leave.bias)


def test_a_discriminator_that_the_state_lacks_is_new_where_the_state_ends(tmp_path):
    before, after = run_of(1.0), run_of(2.0)
    before.step, before.critic = 7, None
    save_state(before, tmp_path, "octave", {})
    resume(after, tmp_path, "octave")
    assert after.critic_from == 7
    after.step = 9
    save_state(after, tmp_path, "octave", {})
    again = run_of(3.0)
    resume(again, tmp_path, "octave")
    assert again.critic_from == 7, "it is as old as it was"


def test_a_finish_is_added_later_and_at_first_changes_nothing():
    torch.manual_seed(0)
    plain = Upsampler(replace(SMALL, scale=4))
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    longer = Upsampler(replace(SMALL, scale=4, finish=6))
    take_weights(longer, plain)
    given = (
        torch.randn(2, 3, 32, 32),
        torch.randn(2, 1, 8, 8),
        torch.full((2,), 0.7),
        torch.zeros(2, 1),
        torch.ones(2, 16, dtype=torch.long),
    )
    with torch.no_grad():
        assert torch.equal(longer(*given), plain(*given))


def test_a_part_is_not_lost_to_a_configuration_that_leaves_it_out(tmp_path):
    longer = Upsampler(replace(SMALL, finish=6))
    with pytest.raises(InvalidInput, match="finish"):
        take_weights(Upsampler(SMALL), longer)
    run = run_of(1.0)
    run.average = longer
    keep_best(run, tmp_path, "detail", 0.1)
    with pytest.raises(InvalidInput, match=r"\[sizes\]"):
        use_best(Upsampler(SMALL), tmp_path, "detail")
    assert use_best(Upsampler(replace(SMALL, finish=6)), tmp_path, "detail")
    assert not use_best(Upsampler(SMALL), tmp_path, "octave")


def test_a_finish_sees_beyond_the_cell_that_was_shuffled():
    torch.manual_seed(0)
    finish = Finish(channels=8, scale=4, width=6)
    torch.nn.init.normal_(finish.leave.weight)
    residual = torch.zeros(1, 1, 32, 32, requires_grad=True)
    out = finish(torch.randn(1, 8, 8, 8), residual)
    assert out.shape == residual.shape
    out[0, 0, 15, 15].backward()  # the last pixel of its cell of four
    reached = residual.grad[0, 0].abs() > 0
    assert reached[16, 16] and reached[15, 16] and reached[12, 12]
