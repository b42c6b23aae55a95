"""Pickles of values and arrays are read as `pickle` reads them, and hostile ones do nothing."""

import os
import pickle
import re
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks import Evil, evil_pickle, harmless
from python2_pickles import python2_pickle

from handpose.data.index.safe_pickle import load_arrays

VALUES: dict[str, Any] = {
    "joints": np.random.default_rng(0).normal(size=(21, 3)),
    "camera": np.eye(3, dtype=np.float32),
    "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "counts": np.arange(300, dtype=np.uint8),
    "flags": np.array([True, False]),
    "big endian": np.arange(5, dtype=">i4"),
    "names": np.array(["left", "right"]),
    "nothing": np.empty((0, 3)),
    "scalar": np.float32(2.5),
    "plain": [
        None,
        True,
        False,
        0,
        255,
        70000,
        -5,
        1 << 40,
        -(1 << 70),
        2.5,
        "name",
        "ö",
        (1, (2,)),
    ],
    "bytes": b"\x00\xff",
    "deep": {"list": [[1, 2], []], "tuple": (), 3: "three", "one": (1,)},
}


def assert_equal(found: Any, true: Any) -> None:
    assert type(found) is type(true)
    if isinstance(true, np.ndarray):
        assert found.dtype == true.dtype
        assert np.array_equal(found, true)
    elif isinstance(true, dict):
        assert list(found) == list(true)
        for key in true:
            assert_equal(found[key], true[key])
    elif isinstance(true, list | tuple):
        assert len(found) == len(true)
        for one, other in zip(found, true, strict=True):
            assert_equal(one, other)
    else:
        assert found == true


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_arrays(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_values_come_back_whole(protocol: int, core: bytes, tmp_path: Path) -> None:
    content = pickle.dumps(VALUES, protocol)
    if protocol < 4:  # a later one states the length of the name
        content = content.replace(b"numpy._core", core)
    (tmp_path / "a.pkl").write_bytes(content)
    assert_equal(load_arrays(tmp_path / "a.pkl"), VALUES)


def test_python_2_texts_are_latin_1(tmp_path: Path) -> None:
    arrays = {key: VALUES[key] for key in ("joints", "camera", "counts", "flags", "scalar")}
    values = arrays | {"object": "021_bleach", "missing": None, "plain": [1, -2.5, (3, "x")]}
    content = python2_pickle(values)
    assert_equal(pickle.loads(content, encoding="latin1"), values)
    (tmp_path / "a.pkl").write_bytes(content)
    assert_equal(load_arrays(tmp_path / "a.pkl"), values)
    assert load_arrays(tmp_path / "a.pkl")["joints"].flags.writeable is False


def test_python_2_protocol_0_has_escaped_texts(tmp_path: Path) -> None:
    text = (
        b"(dp0\nS'a'\np1\ncnumpy.core.multiarray\nscalar\np2\n(cnumpy\ndtype\np3\n(S'f8'\np4\nI0\n"
    )
    text += b"I1\ntp5\nRp6\n(I3\nS'<'\np7\nNNNI-1\nI-1\nI0\ntp8\nbS"
    text += repr(struct.pack("<d", -1.5)).encode()[1:] + b"\np9\ntp10\nRp11\ns."
    (tmp_path / "a.pkl").write_bytes(text)
    assert load_arrays(tmp_path / "a.pkl") == {"a": -1.5}


class Calls:
    """Pickled as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


def global_call(module: str, name: str, arguments: bytes = b")") -> bytes:
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + arguments + b"R."


def array(shape: Any, code: str = "f8", data: bytes = b"", dtype_state: Any = None) -> bytes:
    """An array with any claims about itself."""
    dtype = b"cnumpy\ndtype\n" + python2_pickle((code, 0, 1))[2:-1] + b"R"
    state = dtype_state or (3, "<", None, None, None, -1, -1, 0)
    dtype += python2_pickle(state)[2:-1] + b"b"
    content = b"B" + struct.pack("<I", len(data)) + data
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    written = b"(" + b"".join(pickle.dumps(n, 2)[2:-1] for n in shape) + b"t"
    return b"\x80\x02" + head + b"(K\x01" + written + dtype + b"\x89" + content + b"tb."


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a function of the system": (global_call("os", "system"), "names os.system"),
    "eval": (global_call("builtins", "eval", b"(X\x03\x00\x00\x001+1t"), "names builtins.eval"),
    "Python 2's eval": (global_call("__builtin__", "eval"), r"names __builtin__.eval"),
    "a function of numpy": (global_call("numpy", "load", b"(X\x01\x00\x00\x00at"), "numpy.load"),
    "a function beside the admitted": (
        global_call("numpy.core.multiarray", "fromfile"),
        "names numpy.core.multiarray.fromfile",
    ),
    "an attribute of an admitted name": (
        pickle.dumps(Calls(np.ndarray.dump, "a"), 4),
        "names builtins.getattr|names numpy.ndarray.dump|names numpy",
    ),
    "a stack global": (pickle.dumps(Calls(os.getcwd), 5), "names posix.getcwd"),
    "an ordered dict": (pickle.dumps(OrderedDict(a=1), 2), "names collections.OrderedDict"),
    "an object by its class": (b"\x80\x02c__main__\nA\n)\x81.", "names __main__.A"),
    "an instance of protocol 0": (b"(i__main__\nA\n.", "byte 1 is no step"),
    "a persistent id": (b"Pabc\n.", "byte 0 is no step"),
    "an extension": (b"\x80\x02\x82\x01.", "byte 2 is no step"),
    "a call of the class of arrays": (
        b"\x80\x02cnumpy\nndarray\n(M\xff\xff\x85tR.",
        "it calls the class of arrays",
    ),
    "a call of a text": (b"\x80\x02U\x06system)R.", "it calls a str"),
    "state of a list": (b"\x80\x02]}b.", "sets the state of a list"),
    "an array of objects": (pickle.dumps(np.array([None, 1]), 2), "dtype O8"),
    "an array of records": (pickle.dumps(np.zeros(2, "i4,f4"), 2), "dtype V8"),
    "records by their state": (
        array((1,), data=bytes(8), dtype_state=(3, "|", None, ("a",), {"a": 1}, 8, 1, 0)),
        "array of records",
    ),
    "an array of arrays": (array((1,), code="(1000000,)f8", data=bytes(8)), r"\(1000000,\)f8"),
    "a terabyte of shape": (array((10**12,)), "larger than the file"),
    "a shape that overflows": (array((1 << 33, 1 << 33), data=bytes(8)), "larger than the file"),
    "a negative shape": (array((-1,)), "larger than the file"),
    "less content than shape": (array((3,), data=bytes(8)), "an array of 3 float64 has 8 bytes"),
    "a reconstruction with a size": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(\x8a\x05"
        + (10**12).to_bytes(5, "little")
        + b"tU\x01btR.",
        "not empty before its content",
    ),
    "an array without content": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR.",
        "uses unfilled as a value",
    ),
    "a name as a value": (b"\x80\x02cnumpy\nndarray\n.", "uses name as a value"),
    "a name in a list": (b"\x80\x02]cnumpy\ndtype\na.", "uses name as a value"),
    "a text of four gigabytes": (b"\x80\x02X\xff\xff\xff\xffabc", "cut short at byte 10"),
    "bytes of any size": (b"\x80\x04\x8e" + b"\xff" * 8, "cut short"),
    "an integer of any size": (b"\x80\x02\x8b\xff\xff\xff\x7f\x01.", "cut short"),
    "a negative length": (b"\x80\x02T\xff\xff\xff\xff.", "cut short"),
    "an endless number": (b"I" + b"9" * 100_000 + b"\n.", "limit|integer string"),
    "a list within itself": (b"\x80\x02]q\x00h\x00a.", "uses one list twice, or within itself"),
    "a list twice": (b"\x80\x02](]q\x00h\x00e.", "uses one list twice"),
    "doubled tuples": (
        b"\x80\x02K\x01\x85q\x00" + b"h\x00\x86q\x00" * 60 + b".",
        "uses one tuple twice|a value that is not there",
    ),
    "doubled lists within tuples": (
        b"\x80\x02" + b"(" * 60 + b"]K\x01a\x85q\x00" + b"h\x00h\x00l\x85q\x00" * 60 + b".",
        "uses one tuple twice",
    ),
    "doubled dicts within tuples": (
        b"\x80\x02K\x01\x85q\x00" + b"}(K\x00h\x00K\x01h\x00u\x85q\x00" * 60 + b".",
        "uses one tuple twice",
    ),
    "an array a thousand times": (
        b"\x80\x02(" + array((99,), data=bytes(792))[2:-1] + b"q\x00" + b"h\x00" * 999 + b"l.",
        "its arrays are larger than the file",
    ),
    "an array in a tuple a thousand times": (
        b"\x80\x02(" + array((9,), data=bytes(72))[2:-1] + b"\x85q\x00" + b"h\x00" * 999 + b"l.",
        "uses one tuple twice",
    ),
    "a tuple as a key": (b"\x80\x02}K\x01\x85K\x02s.", "a key of a dict is a tuple"),
    "a deep key": (
        b"\x80\x02}K\x01" + b"\x85" * 50_000 + b"K\x02s.",
        "a key of a dict is a tuple",
    ),
    "a list as a key": (b"\x80\x02}]K\x02s.", "a key of a dict is a list"),
    "a key without a value": (b"\x80\x02}(K\x01u.", "a key is without a value"),
    "no value": (b"\x80\x02.", "a value that is not there"),
    "no mark": (b"\x80\x02t.", "a mark that is not there"),
    "no such memo": (b"\x80\x02h\x05.", "refers to 5, which is not there"),
    "a fill of nothing": (b"\x80\x02K\x01K\x02a.", "fills a list that is not there"),
    "text that is no text": (b"\x80\x02X\x02\x00\x00\x00\xff\xfe.", "utf-8|decode"),
    "no quotes": (b"Sabc\n.", "without its quotes"),
    "empty": (b"", "cut short at byte 0"),
    "no pickle": (b"<html>404</html>", "byte 0 is no step"),
    "too few arguments": (global_call("numpy", "dtype"), "argument"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pickle_is_refused_by_reason(kind: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[kind]
    with harmless(tmp_path / "canary"):
        assert re.search(reason, refusal(tmp_path / "a.pkl", content))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_attack_is_not_carried_out_within_values(protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil_pickle(tmp_path / "plain.pkl", canary)
    with harmless(canary):
        assert "names posix.system" in refusal(
            tmp_path / "a.pkl", (tmp_path / "plain.pkl").read_bytes()
        )
        nested = pickle.dumps({"joints": np.eye(3), "more": [{"x": Evil(canary)}]}, protocol)
        assert "names posix.system" in refusal(tmp_path / "a.pkl", nested)
    pickle.loads(nested)  # the attack is one
    assert canary.exists()


def test_arrays_cannot_outgrow_the_file(tmp_path: Path) -> None:
    """One content that is used a thousand times."""
    once = b"c_codecs\nencode\n(h\x00U\x06latin1tR"
    content = b"\x80\x02](X\x00\x10\x00\x00" + b"a" * 4096 + b"q\x00" + once * 1000 + b"e."
    with harmless(tmp_path / "canary"):
        assert "larger than the file" in refusal(tmp_path / "a.pkl", content)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_array_may_be_used_again(protocol: int, tmp_path: Path) -> None:
    one = np.arange(600.0)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": one, "b": [one]}, protocol))
    found = load_arrays(tmp_path / "a.pkl")
    assert np.array_equal(found["a"], one)
    assert np.array_equal(found["b"][0], one)


def test_every_cut_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps(VALUES, 2)
    for length in range(0, len(whole) - 1, 13):
        refusal(tmp_path / "a.pkl", whole[:length])


def test_flipped_bytes_give_a_value_or_a_reason(tmp_path: Path) -> None:
    rng, whole, path = np.random.default_rng(0), bytearray(pickle.dumps(VALUES, 2)), tmp_path / "a"
    with harmless(tmp_path / "canary"):
        for place in rng.integers(len(whole), size=200):
            broken = whole.copy()
            broken[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(broken)
            try:
                load_arrays(path)
            except ValueError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_deep_lists_are_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".")
    value, depth = load_arrays(path), 1
    while value:
        value, depth = value[0], depth + 1
    assert depth == 50_000


def test_files_that_are_none_or_never_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "pipe", "it is a pipe"),
        (Path("/dev/zero"), "it is a device"),
        (tmp_path, "it is a directory"),
        (tmp_path / "missing.pkl", "No such file"),
    ):
        with pytest.raises(ValueError, match=f"{path}: cannot be read .*{reason}"):
            load_arrays(path)
    (tmp_path / "large.pkl").write_bytes(b"")
    os.truncate(tmp_path / "large.pkl", 1 << 40)
    with pytest.raises(ValueError, match="the limit is"):
        load_arrays(tmp_path / "large.pkl")
    monkeypatch.setattr("handpose.data.index.safe_pickle._MOST_OPCODES", 1000)
    assert "over 1,000 steps" in refusal(tmp_path / "a.pkl", b"](" + b"N" * 5000 + b"e.")
