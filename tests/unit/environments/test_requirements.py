"""What requirements may say, wherever they stand."""

from __future__ import annotations

import pytest

from shared.environments.conda import read_conda
from shared.environments.requirements import checked, of_file, of_list
from shared.errors import Invalid
from shared.resources.environment import CondaFile


def texts(*requirements: str) -> list[str]:
    return [one.text for one in checked(of_list(requirements))]


def test_order_case_and_doubles_have_no_meaning() -> None:
    pandas = "Pandas [excel] >=2,<3 ; python_version>'3'", "pandas[excel]<3,>=2; python_version > '3'"
    assert texts("Zlib_Ng>=1", *pandas) == ['pandas[excel]<3,>=2; python_version > "3"', "zlib-ng>=1"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-e .", "options are not accepted"),
        ("--index-url https://me:pw@index.example", "options are not accepted"),
        ("-r other.txt", "options are not accepted"),
        ("git+https://git.example/x", "paths and URLs are not accepted"),
        ("./wheels/a.whl", "paths and URLs are not accepted"),
        ("/etc/passwd", "paths and URLs are not accepted"),
        ("a @ file:///etc/passwd", "URLs are not accepted"),
        ("a b", "is no requirement"),
        ("a==", "is no requirement"),
    ],
)
def test_what_is_no_package_of_the_index_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(of_list(["numpy", text]))
    (fault,) = refused.value.faults
    assert fault.pointer == "/pip/1"
    assert why in fault.message
    assert "me:" not in fault.message


def test_a_requirements_file_is_read_with_its_lines() -> None:
    text = "# all of it\nnumpy==2.0 \\\n  --hash=sha256:abc\n\npandas  # newest\nurl#not-a-comment\n-e .\n"
    with pytest.raises(Invalid) as refused:
        checked(of_file("requirements.txt", text))
    assert [(fault.file, fault.line) for fault in refused.value.faults] == [
        ("requirements.txt", 6),
        ("requirements.txt", 7),
    ]
    good = checked(of_file("requirements.txt", text.replace("url#not-a-comment\n-e .\n", "")))
    assert [(one.text, one.line) for one in good] == [("numpy==2.0", 2), ("pandas", 5)]
    assert of_file("requirements.txt", "\n# nothing\n") == []


def test_a_pyproject_gives_its_dependencies() -> None:
    found = of_file("pyproject.toml", '[project]\nname = "x"\ndependencies = ["b", "a>1"]\n')
    assert [one.text for one in checked(found)] == ["a>1", "b"]
    for text in ("[project", "[project]\ndependencies = 'a'\n", "x = 1\nproject = 2\n"):
        with pytest.raises(Invalid, match=r"pyproject\.toml"):
            of_file("pyproject.toml", text)


def test_a_conda_file_is_taken_apart() -> None:
    file = CondaFile.model_validate(
        {
            "name": "any",
            "channels": ["conda-forge", "defaults"],
            "dependencies": [
                "Python=3.10.4",
                "pip",
                "conda-forge::NumPy >= 1.20",
                "scipy 1.9 py310_0",
                {"pip": ["a", "b==1"]},
            ],
        }
    )
    conda = read_conda(file)
    assert conda.python_version == "3.10"
    assert conda.channels == ("conda-forge", "defaults")
    assert conda.packages == ("conda-forge::numpy>=1.20", "scipy 1.9 py310_0")
    assert [(one.text, one.pointer) for one in conda.pip] == [
        ("a", "/dependencies/4/pip/0"),
        ("b==1", "/dependencies/4/pip/1"),
    ]


@pytest.mark.parametrize("spec", ["numpy[build=x]", "-c conda-forge", "a$b", "numpy >= {x}", "/etc/passwd"])
def test_a_conda_package_that_cannot_be_read_is_named(spec: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_conda(CondaFile.model_validate({"dependencies": ["python=3.11", spec]}))
    assert [fault.pointer for fault in refused.value.faults] == ["/dependencies/1"]
