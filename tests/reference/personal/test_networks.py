"""TrackNet and ModelNet: their sizes, what their outputs mean, learning, going on, and files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import edgeface
from edgeface.cli import main
from edgeface.converters.pipeline import convert
from edgeface.errors import InvalidInputError
from edgeface.face_model import default_face_model
from edgeface.kinds import PERSON_MAPS
from edgeface.personal.template import default_template
from edgeface.reference.geometry.morphable import MorphableModel
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork, load_network, save_network
from edgeface.reference.personal import train_networks as module
from edgeface.reference.personal.batches import PersonBatches, individuals
from edgeface.reference.personal.fit import Fitter
from edgeface.reference.personal.guess import Guesser
from edgeface.reference.personal.learning import PersonalLoss, Reading, draw, posed
from edgeface.reference.personal.made_up import MadeUp
from edgeface.reference.personal.person import blendshapes
from edgeface.reference.personal.rendered import render_person
from edgeface.reference.personal.schedule import Stage
from edgeface.reference.personal.train_networks import (
    Stages,
    freeze,
    split,
    train_networks,
    training_kind,
)
from edgeface.reference.training.loading import Split
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.train import copy_weights

pytestmark = [
    # of the libraries, about machines with more cores and about their own changes
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def template():
    return default_template()


@pytest.fixture(scope="module")
def batch(template):
    made_up = MadeUp(template, 128, 4)
    people = [made_up.draw(np.random.default_rng(seed)) for seed in range(2)]
    return {name: torch.stack([person[name] for person in people]) for name in people[0]}


@pytest.mark.parametrize(
    ("name", "millions"),
    [("tracknet-paper", 11.3), ("modelnet-paper", 18.6), ("tracknet", 0.6), ("modelnet", 0.5)],
)
def test_sizes_are_the_paper_s_and_the_edge_s(name, millions):
    network = build_network(CONFIGS[name])
    count = sum(p.numel() for n, p in network.named_parameters() if n != "mean_skin")
    assert count / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("name", ["modelnet", "modelnet-paper"])
def test_table_4_is_what_the_modelnet_sees_on_the_way(name):
    config = CONFIGS[name]
    network = build_network(config).eval()
    seen = {}
    network.backbone.register_forward_hook(lambda m, i, o: seen.update(encoder=o))
    with torch.inference_mode():
        side = config.input_size
        outputs = network(torch.zeros(1, 2, side, side, 3, dtype=torch.uint8))
    features = seen["encoder"][-1] if config.multi_scale else seen["encoder"]
    assert features.shape == ((2, 352, 8, 8) if config.multi_scale else (2, 512, 7, 7))
    assert [o.shape[1] for o in outputs] == list(config.network_kind.outputs.values())


def test_a_person_is_the_mean_of_what_all_pictures_show():
    torch.manual_seed(0)
    network = build_network(CONFIGS["modelnet"]).eval()
    copy_weights(load_network("sfn").network, network)
    torch.nn.init.normal_(network.modes[-1].weight)
    images = torch.randint(0, 255, (1, 3, 128, 128, 3), dtype=torch.uint8)
    with torch.inference_mode():
        one = network(images)
        again = network(images.flip(1))
        same = network(images[:, :1].expand(-1, 3, -1, -1, -1))
        alone = network(images[:, 0])
    assert torch.allclose(one[0], again[0], atol=1e-2)
    assert torch.allclose(same[0], alone[0], atol=1e-2)
    assert not torch.allclose(one[0], alone[0], atol=0.05)


def test_the_sfn_s_motion_is_tracknet_s():
    source = load_network("sfn").network
    network = build_network(CONFIGS["tracknet"]).eval()
    copy_weights(source, network)
    image = torch.randint(0, 255, (2, 128, 128, 3), dtype=torch.uint8)
    with torch.inference_mode():
        _, expression, pose = network(image)
        _, same_expression, same_pose = source(image)[:3]
    assert torch.equal(expression, same_expression)
    assert torch.equal(pose, same_pose)


def test_the_camera_shows_the_template_where_the_pose_puts_the_face_model(template):
    model = default_face_model()
    reading = Reading(template, model, 128)
    pose = torch.tensor([[0.99, 0.08, 0.1, 0.03, 0.05, -0.04, 0.0, -0.2]])
    rotation, translation = reading.placed(pose)
    vertices = torch.from_numpy(template.neutral)[None] @ rotation.transpose(1, 2)
    points = reading.camera.project(vertices + translation[:, None])[0, :, :2].numpy()
    identity = torch.zeros(1, 50)
    identity[0, 0] = 1
    expected = MorphableModel(model).project(identity, torch.full((1, 46), -30.0), pose)[0]
    expected = expected.numpy() * 128 / 1.3 + 64
    apart = np.linalg.norm(points[template.landmark_vertices] - expected, axis=1)
    # two mean faces of different makers; 4 % of the face
    assert np.median(apart) < 4


def test_a_picture_that_cannot_be_read_shows_no_skin(template, tiny_packs):
    (person, *_) = individuals(tiny_packs, validation=False)
    views = PersonBatches([person], 0, template, default_face_model(), 128, augment=False)
    assert views.__getitems__([0])["valid"].any()
    person.pack.image = lambda _: None
    assert not views.__getitems__([0])["valid"].any()


def test_expressions_of_other_names_are_no_motion_of_tracknet(template):
    model = default_face_model()
    others = replace(model, expression_names=tuple(f"shape{k}" for k in range(46)))
    with pytest.raises(InvalidInputError, match="with the default's expressions"):
        Reading(template, others, 128)


def test_rendered_people_lie_where_their_labels_say(template, batch):
    size = 128
    landmarks = batch["landmarks"]
    assert ((landmarks > 0) & (landmarks < size)).all()
    inner = landmarks[:, :, 27:31].round().long()  # the bridge of the nose
    for person in range(2):
        for frame in range(4):
            x, y = inner[person, frame].T
            assert batch["valid"][person, frame][y, x].float().mean() > 0.7
    assert batch["known"].all()


def test_all_that_is_guessed_has_a_gradient(template, batch):
    loss = PersonalLoss(template, default_face_model(), 128)
    network = build_network(CONFIGS["personal"])
    total, parts = loss(network(batch["image"]), batch, 0)
    assert torch.isfinite(total)
    assert set(parts) == {"photometric", "landmarks", "mesh"}
    total.backward()
    for name, weight in network.named_parameters():
        if "maps" in name or "static" in name or "mean_skin" in name:
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name


def test_both_networks_learn_two_people_in_a_few_steps(template, batch):
    torch.manual_seed(0)
    network = build_network(CONFIGS["personal"]).train()
    copy_weights(load_network("sfn").network, network.tracknet)
    copy_weights(load_network("sfn").network, network.modelnet)
    freeze(network, ("tracknet.backbone", "modelnet.backbone"))
    loss = PersonalLoss(template, default_face_model(), 128)
    learning = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=3e-3)
    figures = []
    for _ in range(12):
        optimiser.zero_grad()
        total, parts = loss(network(batch["image"]), batch, 0)
        total.backward()
        optimiser.step()
        figures.append({name: float(value) for name, value in parts.items()})
    assert figures[-1]["photometric"] < 0.85 * figures[0]["photometric"]
    assert figures[-1]["mesh"] < figures[0]["mesh"]


def test_a_guess_is_drawn_as_it_is_posed(template, batch):
    network = build_network(CONFIGS["personal"]).eval()
    loss = PersonalLoss(template, default_face_model(), 128)
    with torch.inference_mode():
        guesses = loss.reading.guesses(network(batch["image"]))
        shapes = [blendshapes(loss.surface, guess.person) for guess in guesses]
        vertices = torch.cat([posed(g, s) for g, s in zip(guesses, shapes, strict=True)])
        drawn = draw(loss.surface, loss.reading.camera, guesses, vertices)
    assert drawn.image.shape == (8, 128, 128, 3)
    assert 0.1 < drawn.mask.float().mean() < 0.8


class TwoPeople(torch.utils.data.Dataset):
    """The same batch again and again."""

    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return 4

    def __getitems__(self, indices):
        return dict(self.batch)


@pytest.fixture
def tiny(template, batch, monkeypatch):
    """Trains on two rendered people."""
    kind = training_kind(template)

    def read(recipe, model, folder, validation):
        data = TwoPeople(batch)
        sampler = torch.utils.data.SequentialSampler(data)
        return Split(data, sampler, 2, np.zeros((0, 46), np.float32), [])

    monkeypatch.setattr(module, "training_kind", lambda template: replace(kind, read=read))


FROZEN = ("tracknet.backbone", "modelnet.backbone")


def test_training_goes_on_where_it_stopped_and_gives_two_networks(tiny, tmp_path):
    paths = train_networks(
        Recipe("personal", 1, 2, frozen=FROZEN, licence="MIT"), tmp_path, tmp_path
    )
    assert [path.name for path in paths] == ["tracknet.ckpt", "modelnet.ckpt"]
    first = load_network(tmp_path / "last.ckpt")
    train_networks(Recipe("personal", 2, 2, frozen=FROZEN, licence="MIT"), tmp_path, tmp_path)
    second = load_network(tmp_path / "last.ckpt")
    assert (first.epoch, second.epoch) == (0, 1)
    kinds = [load_network(path).config.kind for path in paths]
    assert kinds == ["tracknet", "modelnet"]
    before, after = first.network.state_dict(), second.network.state_dict()
    frozen = [n for n in before if n.startswith(FROZEN)]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    # the second half of a run of two epochs is mostly its second stage, in which TrackNet rests
    assert not torch.equal(before["modelnet.mean_skin"], after["modelnet.mean_skin"])
    for part, name in zip(split(second), ("tracknet", "modelnet"), strict=True):
        assert part.config.kind == name


def test_a_recipe_of_another_network_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="for edgeface-train train"):
        train_networks(Recipe("sfn", 1, 2), tmp_path, tmp_path)
    with pytest.raises(InvalidInputError, match="no module 'nobody'"):
        freeze(build_network(CONFIGS["tracknet"]), ("nobody",))
    with pytest.raises(InvalidInputError, match="frozen"):
        Recipe("sfn", 1, 2, frozen=("backbone",))
    assert Stages(("a",)).frozen == ("a",)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Checkpoints of small untrained networks whose outputs are as large as trained ones'."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("untrained")
    for name in ("tracknet", "modelnet"):
        config = replace(CONFIGS[name], input_size=32, stem_filters=8, squeeze=(4,), expand=(8,))
        network = build_network(config).train()
        for weight in network.parameters():
            if weight.ndim > 1 and not weight.any():
                torch.nn.init.normal_(weight, std=0.05)
        for _ in range(20):  # batch norms learn the range of what they see
            network(torch.randint(0, 255, (4, 32, 32, 3), dtype=torch.uint8))
        network.eval()
        trained = TrainedNetwork(config, network, default_face_model(), 0, {"licence": "MIT"})
        save_network(trained, folder / f"{name}.ckpt")
    return folder


@pytest.mark.parametrize("file_format", ["onnx", "tflite", "coreml"])
@pytest.mark.parametrize("name", ["tracknet", "modelnet"])
def test_an_exported_file_says_what_the_network_says(name, file_format, untrained, tmp_path):
    needed = {"onnx": "onnx", "tflite": "litert_torch", "coreml": "coremltools"}
    pytest.importorskip(needed[file_format])
    (written,) = convert(untrained / f"{name}.ckpt", tmp_path, (file_format,))
    assert written.metadata.kind == name
    assert written.comparison.values["faces"] == (5 if name == "tracknet" else 0)
    outputs = written.metadata.output_names
    assert all(written.comparison.values[f"{output} dB"] > 80 for output in outputs)


def test_the_table_of_a_modelnet_tells_how_far_the_person_is_off(untrained, tmp_path, capsys):
    pytest.importorskip("onnx")
    assert main(["convert", str(untrained / "modelnet.ckpt"), "--out", str(tmp_path)]) == 0
    head, row, legend = capsys.readouterr().out.splitlines()[-3:]
    assert head.split()[-5:] == ["person", "mm", "person", "skin", "ms"]
    assert all(0 <= float(cell) < 0.01 for cell in row.split()[-3:-1])
    assert "person mm" in legend
    assert "nan" not in row


def test_a_file_of_tracknet_gives_faces_and_one_of_modelnet_none(untrained, tmp_path):
    for name in ("tracknet", "modelnet"):
        convert(untrained / f"{name}.ckpt", tmp_path)
    finder, image = edgeface.load("mfn"), edgeface.read_image(edgeface.model.DEMO_PHOTO)
    found = finder.run(image)
    seen = edgeface.load(tmp_path / "tracknet.onnx").refine(image, found)
    assert len(seen) == len(found)
    assert (seen.identity_coeffs == np.eye(50)[0]).all()
    guesser = edgeface.load(tmp_path / "modelnet.onnx")
    with pytest.raises(InvalidInputError, match="gives no Faces"):
        guesser.refine(image, found)
    with pytest.raises(InvalidInputError, match="gives no Faces"):
        edgeface.Tracker(finder, crop_model=guesser)
    with pytest.raises(InvalidInputError, match="gives no Faces"):
        edgeface.load("mfn", refine=tmp_path / "modelnet.onnx")
    heads = guesser.infer(np.zeros((1, 32, 32, 3), np.uint8))
    assert {n: h.shape[1] for n, h in heads.items()} == {
        name: int(np.prod(shape)) for name, shape in PERSON_MAPS.items()
    }


def test_a_guess_is_where_fitting_starts(template, untrained):
    surface = PersonalLoss(template, default_face_model(), 32).surface
    truth = render_person(template, surface, 3, np.random.default_rng(5))
    guesser = Guesser(untrained / "modelnet.ckpt", template)
    person = guesser(truth.frames)
    shapes = {n: tuple(v.shape) for n, v in person.tensors().items()}
    assert list(shapes.values()) == list(PERSON_MAPS.values())
    assert float((surface.albedo + person.skin).mean()) == pytest.approx(0.57, abs=0.2)
    stages = (Stage("fitting points", 1, ("turn", "translation"), False),)
    fitted = Fitter(template).fit(truth.frames, person=person, stages=stages).person
    assert torch.equal(fitted.neutral, person.neutral)
    with pytest.raises(InvalidInputError, match="no modelnet"):
        Guesser(untrained / "tracknet.ckpt", template)
