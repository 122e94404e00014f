import pytest

from edgeface.errors import InvalidInputError
from edgeface.reference.networks import CONFIGS
from edgeface.reference.training.recipe import NAMES, Recipe, read_recipe


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_can_be_read(name):
    recipe = read_recipe(name)
    assert recipe.config == CONFIGS[recipe.network]


def test_a_recipe_is_utf8_whatever_the_locale(tmp_path, monkeypatch):
    text = 'network = "sfn"\nepochs = 1\nbatch_size = 1\nlicence = "f\u00fcr alle"\n'
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    monkeypatch.setattr("locale.getencoding", lambda: "cp1252")
    assert read_recipe(path).licence == "f\u00fcr alle"


def test_read_recipe_takes_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('network = "sfn"\nepochs = 3\nbatch_size = 4\ndisentangle = 0.5\n')
    assert read_recipe(path) == Recipe(network="sfn", epochs=3, batch_size=4, disentangle=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network = [", "no TOML file"),
        (b"\xff\xfe", "no TOML file"),
        ('network = "sfn"', "incomplete"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nmomentum = 1', "unknown keys momentum"),
        ('network = "resnet"\nepochs = 1\nbatch_size = 1', "network must be one of"),
        ('network = "sfn"\nepochs = 0\nbatch_size = 1', "epochs must be a whole number"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1.5', "batch_size must be a whole number"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nprecision = "fp8"', "precision must be"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nlabels = "mine"', "labels must be"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nturned = 2', r"turned must lie in \[0, 1\]"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nepochs_before = -1', "epochs_before must"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nturned = "x"', "turned must lie in"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\ndistil = "mfn"', "an mfn learns from"),
        ('network = "mfn"\nepochs = 1\nbatch_size = 1\ndistil_weight = -1', "distil_weight must"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nfree = 1', "free must be true or false"),
        ('network = "sfn"\nepochs = true\nbatch_size = 1', "epochs must be a whole number"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nseed = "x"', "seed must be a whole number"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nseed = -1', "seed must be a whole number"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nturned = true', "turned must lie in"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nface_model = 5', "face_model must be text"),
        ('network = "mfn"\nepochs = 1\nbatch_size = 1\ndistil = "a\\u0000"', "distil must be text"),
        ('network = "mfn"\nepochs = 1\nbatch_size = 1\nsizes = [33]', "multiple of 32"),
        (
            'network = "sfn"\nepochs = 1\nbatch_size = 1\nlicence = """a\nb"""',
            "licence must be text",
        ),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nlicence = " "', "licence must be a text"),
        ("epochs = " + "[" * 3000, "no TOML file"),
        ('network = "sfn"\nepochs = 1\nbatch_size = 1\nfree = true', 'face_model = "free"'),
    ],
)
def test_read_recipe_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInputError, match=message):
        read_recipe(path)


def test_read_recipe_without_a_file(tmp_path):
    with pytest.raises(InvalidInputError, match="no such recipe"):
        read_recipe(tmp_path / "absent.toml")
