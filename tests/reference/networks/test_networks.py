import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.blocks import (
    Context,
    Fire,
    LearnedPool,
    MultiScale,
    SlimBranch,
    Surroundings,
)
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.cost import count


@pytest.mark.parametrize("name", CONFIGS)
def test_networks_have_the_documented_outputs_and_gradients(name):
    config = CONFIGS[name]
    network = build_network(config)
    size = config.input_size
    outputs = network(torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8))
    if config.kind == "sfn":
        expected = [(2, 50), (2, 46), (2, 8)] + [(2, 4)] * config.gaze
    elif config.kind == "fusion":
        expected = [(2, 50), (2, 46), (2, 60), (2, 6)]
    elif not config.network_kind.detects:
        expected = [(2, width) for width in config.outputs.values()]
    else:
        cells = {"mfn": 18, "mfn-lean": 18, "mfn-beside": 18}.get(name, 9)
        expected = [(2, cells, cells, 5 * width) for width in (5, 50, 46, 8)]
    assert [tuple(o.shape) for o in outputs] == expected
    sum(o.square().mean() for o in outputs).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key


@pytest.mark.parametrize("name", CONFIGS)
def test_config_survives_its_dictionary(name):
    assert NetworkConfig.from_dict(CONFIGS[name].to_dict()) == CONFIGS[name]


def test_config_rejects_nonsense():
    with pytest.raises(InvalidInputError, match="one entry a block"):
        replace(CONFIGS["sfn"], squeeze=(16,))
    with pytest.raises(InvalidInputError, match="divisible by 32"):
        replace(CONFIGS["mfn"], input_size=300)
    with pytest.raises(InvalidInputError, match="cell of 8 px"):
        replace(CONFIGS["mfn"], stride=8)
    with pytest.raises(InvalidInputError, match="cell of 16 px"):
        replace(CONFIGS["mfn-single"], stride=16)


@pytest.mark.parametrize(
    "values",
    [{}, {"kind": "mfn"}, 5]
    + [
        CONFIGS["mfn"].to_dict() | change
        for change in (
            {"surprise": 1}, {"gaze": "x"}, {"multi_scale": 1}, {"input_size": 288.0},
            {"anchors": [[float("nan"), 1]]}, {"rank": -5}, {"width": float("inf")},
            {"stem_filters": 10**9}, {"kind": []}, {"squeeze": 16},
        )
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_configuration_is_refused(values):
    with pytest.raises(ModelFormatError, match="not a network configuration"):
        NetworkConfig.from_dict(values)


def test_a_cell_range_is_one_of_an_mfn_and_no_more_than_readers_take():
    for config, cell_range in (("mfn", 0.5), ("mfn", 3.5), ("sfn", 2.0)):
        with pytest.raises(InvalidInputError, match="a cell_range of"):
            replace(CONFIGS[config], cell_range=cell_range)


def test_fire_has_the_channels_and_parameters_of_the_paper():
    fire = Fire(64, 16, 64)
    assert fire(torch.zeros(1, 64, 8, 8)).shape == (1, 128, 8, 8)
    convolutions = 64 * 16 + 16 * 64 + 16 * 64 * 9
    norms = 2 * (16 + 64 + 64)
    excite = 128 * 8 + 8 + 8 * 128 + 128
    assert sum(p.numel() for p in fire.parameters()) == convolutions + norms + excite
    assert Fire(128, 16, 64, stride=2)(torch.zeros(1, 128, 8, 8)).shape == (1, 128, 4, 4)


def test_slim_branch_halves_channels_and_resolution():
    branch = SlimBranch(128, 16, 64, halvings=2)
    assert branch(torch.zeros(1, 128, 32, 32)).shape == (1, 64, 8, 8)


@pytest.mark.parametrize(
    ("depth", "level", "width"), [(1, 3, 512), (4, 3, 64 + 128 + 192 + 512), (2, 2, 384 + 128)]
)
def test_multi_scale_joins_finer_and_coarser_taps_at_its_level(depth, level, width):
    channels, squeeze, expand = [128, 256, 384, 512], (16, 32, 48, 64), (64, 128, 192, 256)
    taps = [torch.zeros(1, c, 72 // 2**i, 72 // 2**i) for i, c in enumerate(channels)]
    joined = MultiScale(channels, squeeze, expand, depth, level)
    assert joined.channels == width
    assert joined(taps).shape == (1, width, 72 // 2**level, 72 // 2**level)


def test_context_repeats_each_cell_twice_each_way():
    context = Context(8, 4, 0).eval()
    up = context(torch.randn(1, 8, 3, 3))
    assert up.shape == (1, 4, 6, 6)
    torch.testing.assert_close(up[..., ::2, ::2], up[..., 1::2, 1::2])


def test_context_with_reach_starts_as_the_one_without():
    torch.manual_seed(0)
    plain, wide = Context(8, 4, 0).eval(), Context(8, 4, 3).eval()
    wide.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(wide(x), plain(x))
    torch.nn.init.ones_(wide.activate.around.weight)
    moved = (wide(x) - plain(x)).detach()
    assert (moved > 0).any()


def test_surroundings_start_as_a_relu_and_reach_so_far():
    around = Surroundings(3, 5)
    x = torch.randn(1, 3, 9, 9)
    torch.testing.assert_close(around(x), torch.relu(x))
    torch.nn.init.ones_(around.around.weight)
    spike = torch.zeros(1, 3, 9, 9)
    spike[0, 1, 4, 4] = 1
    seen = around(spike)[0]
    assert seen[1, 2:7, 2:7].min() == 1
    assert seen.sum() == 25 + 1  # 5 x 5 places of its own channel, itself twice


def test_learned_pool_starts_as_the_average():
    x = torch.randn(2, 5, 8, 8)
    torch.testing.assert_close(LearnedPool(5, 8)(x), x.mean(dim=(2, 3)))


def test_count_adds_up_by_hand():
    """Tiny DarkNet at a quarter of its filters, written out."""
    filters, cells = [3, 4, 8, 16, 32, 64, 128, 256, 256], [288, 144, 72, 36, 18, 9, 9, 9]
    pairs = list(pairwise(filters))
    products = sum(9 * i * o * c * c for (i, o), c in zip(pairs, cells, strict=True))
    weights = sum(9 * i * o + 2 * o for i, o in pairs)
    assert count(CONFIGS["mfn-single"]) == (
        weights + (256 + 1) * 5 * 109,
        products + 256 * 5 * 109 * 81,
    )


def test_fusion_network_is_mobilenet_with_one_layer_of_outputs():
    """The counts of Howard et al. 2017 at width 1, and 64 + 50 + 46 + 60 outputs behind."""
    network = build_network(replace(CONFIGS["fusion"], width=1.0))
    convolutions = [m for m in network.blocks.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 2 * 13
    products = sum(m.weight.numel() for m in convolutions)
    channels = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    assert products == sum(9 * i + i * o for i, o in pairwise(channels)) == 3_184_224
    layer = network.hidden, network.identity, network.expression, network.correction
    assert [part.out_features for part in layer] == [64, 50, 46, 60]
    assert {part.in_features for part in layer} == {1024}
    assert (network.pose.in_features, network.pose.out_features) == (64, 6)
    parameters, _ = count(CONFIGS["fusion"])
    assert parameters * 4 < 13e6


@pytest.mark.parametrize("stride", [1, 2])
def test_fire_is_the_same_function_in_training(stride):
    """Where its strided branch picks the pixels before it convolves."""
    torch.manual_seed(0)
    fire, x = Fire(24, 8, 16, stride), torch.rand(2, 24, 13, 10)
    norms = [m for m in fire.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    expected = fire.eval()(x)
    fire.train()
    for norm in norms:  # what differs besides
        norm.eval()
    torch.testing.assert_close(fire(x), expected)


def test_backward_pass_leaves_the_heap_whole_at_other_sizes():
    """oneDNN's own strided 1 x 1 convolution does not: in a process of its own."""
    code = (
        "import torch\n"
        "from edgeface.reference.networks import CONFIGS, build_network\n"
        "network = build_network(CONFIGS['mfn']).to(memory_format=torch.channels_last)\n"
        "image = torch.zeros(4, 384, 384, 3, dtype=torch.uint8)\n"
        "sum(o.square().mean() for o in network(image)).backward()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
