"""A hostile or broken file is refused before its arrays are read, in one clear line."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

import deploy
from deploy.errors import DeployError, ModelError
from deploy.formats.netx import fit_to_netx
from deploy.formats.nir import read_nir, write_nir
from deploy.formats.nir.guard import checked
from tests.builders import small_network
from tests.deploy.formats.nir_graphs import DT, chain, every_kind, lif, reread
from tests.deploy.formats.test_nir_roundtrip import small


@pytest.fixture
def path(tmp_path: Path) -> Path:
    reread(chain((4,), {"lif": lif((4,))}, (4,)), tmp_path)
    return tmp_path / "graph.nir"


def test_a_sound_file_passes(path: Path) -> None:
    assert set(checked(path)) == {"node", "version"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere.nir: no such model file"):
        read_nir(tmp_path / "nowhere.nir")


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + b"\0" * 200])
def test_a_file_that_is_no_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.nir").write_bytes(content)
    with pytest.raises(ModelError, match=r"x.nir: not a NIR file, or a damaged one"):
        read_nir(tmp_path / "x.nir")


def test_a_truncated_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match="damaged"):
        read_nir(path, dt=DT)


def test_an_hdf5_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.nir", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(ModelError, match="no group 'node'"):
        read_nir(tmp_path / "x.nir")


def test_a_single_node_is_refused(tmp_path: Path) -> None:
    nir.write(tmp_path / "x.nir", lif((4,)))
    with pytest.raises(ModelError, match="a single NIR node, not a graph"):
        read_nir(tmp_path / "x.nir")


def _soft_link(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = h5py.SoftLink("/node/nodes/lif/tau")


def _external_link(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = h5py.ExternalLink("/etc/hostname", "/")


def _root_is_a_link(file: h5py.File) -> None:
    file.move("node", "real")
    file["node"] = h5py.SoftLink("/real")


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype=np.float32)
    layout[:] = h5py.VirtualSource("elsewhere.h5", "secret", shape=(4,))
    file.create_virtual_dataset("node/nodes/lif/extra", layout)


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("node/nodes/lif/extra", shape=(4,), dtype=np.uint8, external=[("/etc/passwd", 0, 4)])


def _never_written(file: h5py.File) -> None:
    file.create_dataset("node/nodes/lif/extra", shape=(1 << 14, 1 << 14), dtype=np.float32, chunks=(64, 64))


def _too_large(file: h5py.File) -> None:
    file.create_dataset("node/nodes/lif/extra", shape=(1 << 20, 1 << 20), dtype=np.float32, chunks=(64, 64))


def _huge_chunk(file: h5py.File) -> None:
    file.create_dataset(
        "node/nodes/lif/extra",
        data=np.zeros((4, 4)),
        chunks=(3000, 3000),
        maxshape=(None, None),
        compression="gzip",
    )


def _twice_packed(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1 << 20,))
    plist.set_deflate(9)
    plist.set_deflate(9)
    space = h5py.h5s.create_simple((1 << 22,))
    data = h5py.h5d.create(file["node/nodes/lif"].id, b"extra", h5py.h5t.NATIVE_FLOAT, space, plist)
    data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1 << 22, np.float32))


def _objects(file: h5py.File) -> None:
    file.create_dataset("node/nodes/lif/extra", (3,), dtype=h5py.vlen_dtype(np.int32))


def _references(file: h5py.File) -> None:
    file.create_dataset("node/nodes/lif/extra", (3,), dtype=h5py.ref_dtype)


def _compound(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = np.zeros(3, [("a", np.int32), ("b", np.float64)])


def _complex(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = np.zeros(3, np.complex64)


def _named_type(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = np.dtype(np.int32)


def _no_shape(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = h5py.Empty("f4")


def _many_dimensions(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = np.zeros((1,) * 20, np.float32)


def _deep(file: h5py.File) -> None:
    file.create_group("node/nodes/lif/" + "/".join("g" * 40))


def _cycle(file: h5py.File) -> None:
    file["node/nodes/lif/extra"] = file["node"]


def _long_texts(file: h5py.File) -> None:
    """One long string written once, to which 10,000 elements point."""
    text = "x" * 100_000
    data = file.create_dataset("node/nodes/lif/extra", (10_000,), dtype=h5py.string_dtype())
    for i in range(0, 10_000, 50):
        data[i] = text


HOSTILE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "a soft link": (_soft_link, "a soft or external link"),
    "an external link": (_external_link, "a soft or external link"),
    "a link in place of the graph": (_root_is_a_link, "a soft or external link"),
    "a virtual data set": (_virtual, "values lie in another file"),
    "external storage": (_external_storage, "values lie in another file"),
    "an array that was never written": (_never_written, "claims 1073741824 bytes, of which 0 are stored"),
    "an array of terabytes": (_too_large, "allowed are"),
    "a huge chunk": (_huge_chunk, "chunks of"),
    "packed twice": (_twice_packed, "filters"),
    "ragged arrays": (_objects, "numbers of at most 64 bits or text"),
    "references": (_references, "numbers of at most 64 bits or text"),
    "records": (_compound, "numbers of at most 64 bits or text"),
    "complex numbers": (_complex, "numbers of at most 64 bits or text"),
    "a named type": (_named_type, "neither a group nor a data set"),
    "no shape": (_no_shape, "without a shape"),
    "20 dimensions": (_many_dimensions, "20 dimensions"),
    "40 groups deep": (_deep, "nested deeper"),
    "a group inside itself": (_cycle, "nested deeper"),
    "long texts": (_long_texts, "bytes of text"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused_with_the_place(path: Path, what: str) -> None:
    spoil, message = HOSTILE[what]
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(ModelError, match=message) as caught:
        read_nir(path, dt=DT)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_without_the_memory_it_asks_for(path: Path) -> None:
    """12 kB that stand for gigabytes cost the nir package that memory; here they cost none."""
    with h5py.File(path, "r+") as file:
        file.create_dataset("node/nodes/lif/w", (1 << 15, 1 << 14), np.float32, chunks=(256, 256), compression="gzip")
    assert path.stat().st_size < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="claims"):
        read_nir(path, dt=DT)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kB"


def test_too_many_objects_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.hdf5.limits.MAX_OBJECTS", 5)
    with pytest.raises(ModelError, match="more than 5 objects"):
        read_nir(path, dt=DT)


@pytest.mark.parametrize("edges", [np.zeros((2, 3), "S3"), np.zeros(4, "S3")])
def test_edges_of_another_shape_are_refused(path: Path, edges: np.ndarray) -> None:
    with h5py.File(path, "r+") as file:
        del file["node/edges"]
        file["node/edges"] = edges
    with pytest.raises(ModelError, match=r"edges of shape"):
        read_nir(path, dt=DT)


def test_a_node_without_a_type_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["node/nodes/lif/type"]
    with pytest.raises(ModelError, match="lif: a node without a type"):
        read_nir(path, dt=DT)


GARBAGE = {
    "text": "gibberish",
    "a negative number": -7,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "nothing": np.zeros(0, np.float32),
    "many dimensions": np.ones((1, 2, 1, 2, 1), np.float32),
}


def _every_dataset(path: Path) -> list[str]:
    found: list[str] = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize(
    ("kind", "what"),
    [("foreign", what) for what in GARBAGE]
    + [("on the grid", what) for what in ("text", "a negative number", "nothing")],
)
def test_garbage_in_any_place_is_read_or_refused_in_one_line(tmp_path: Path, kind: str, what: str) -> None:
    """Every data set of a file is replaced in turn; anything but a network or one of our errors is a defect."""
    source = tmp_path / "source.nir"
    if kind == "on the grid":
        write_nir(small(), source)
    else:
        nir.write(source, every_kind())
    refused = 0
    places = _every_dataset(source)
    for place in places:
        broken = tmp_path / "broken.nir"
        shutil.copy(source, broken)
        with h5py.File(broken, "r+") as file:
            del file[place]
            file[place] = GARBAGE[what]
        try:
            network = read_nir(broken, dt=None if kind == "on the grid" else DT)
            assert network.shapes
        except DeployError as error:
            assert "\n" not in str(error), place
            refused += 1
    assert refused > len(places) // 3


def test_a_number_beyond_float32_is_refused_where_it_stands(path: Path) -> None:
    """As float32 it would be infinite, and divide by zero later."""
    with h5py.File(path, "r+") as file:
        del file["node/nodes/lif/r"]
        file["node/nodes/lif/r"] = np.full(4, 1e300)
    with pytest.raises(ModelError, match=r"lif \(LIF\): r holds values beyond float32"):
        read_nir(path, dt=DT)


DAMAGED_METADATA = ("[" * 100_000, "null", "9" * 6000, '{"weight": 1}', '{"weight": ["int64", [1e400]]}', 7, None)


@pytest.mark.parametrize("value", DAMAGED_METADATA)
@pytest.mark.parametrize("place", ["node/nodes/fc/metadata/arrays", "node/nodes/out/metadata/arrays"])
def test_damaged_metadata_of_the_grid_is_refused(value: str | int | None, place: str, tmp_path: Path) -> None:
    path = tmp_path / "grid.nir"
    write_nir(small(), path)
    with h5py.File(path, "r+") as file:
        del file[place]
        if value is not None:
            file[place] = value
    with pytest.raises(ModelError, match=r"(fc|out): its metadata is damaged"):
        deploy.load(path)


def test_the_least_number_of_64_bits_is_no_exponent(tmp_path: Path) -> None:
    """Its absolute value is itself in 64 bits."""
    path = tmp_path / "grid.nir"
    write_nir(small(), path)
    with h5py.File(path, "r+") as file:
        del file["node/nodes/out/metadata/scale_bits"]
        file["node/nodes/out/metadata/scale_bits"] = np.int64(-(2**63))
    with pytest.raises(ModelError, match=r"out: its metadata is damaged \(scale_bits is -9"):
        deploy.load(path)


def test_a_subgraph_that_joins_thousands_to_thousands_is_refused(tmp_path: Path) -> None:
    """Its end would become the product of both in edges."""
    inner = nir.NIRGraph(
        {"i": nir.Input({"input": np.array([4])}), "o": nir.Output({"output": np.array([4])})}, [("i", "o")]
    )
    names = [f"n{i}" for i in range(3)]
    nodes = {name: nir.Scale(np.ones(4, np.float32)) for name in names}
    edges = [*((name, "sub") for name in names), *(("sub", name) for name in names)]
    path = tmp_path / "graph.nir"
    ends = {"input": nir.Input({"input": np.array([4])}), "output": nir.Output({"output": np.array([4])})}
    nir.write(path, nir.NIRGraph({**ends, **nodes, "sub": inner}, [("input", "n0"), ("n0", "output"), *edges]))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ModelError, match=r"joins 3 nodes to .*; at most 2"):
        patch.setattr("deploy.formats.nir.tree.MAX_EDGES", 2)
        read_nir(path, dt=DT)


@pytest.mark.parametrize("ending", [".nir", ".net"])
def test_a_flipped_bit_anywhere_is_read_or_refused_and_never_a_traceback(ending: str, tmp_path: Path) -> None:
    model = tmp_path / f"model{ending}"
    deploy.save(fit_to_netx(small_network()), model)
    whole, rng = model.read_bytes(), np.random.default_rng(0)
    refused = 0
    for at in [40, 706, 743, 854, 1076, 1409, 1446, 2001, *rng.integers(0, len(whole), 60)]:
        bad = bytearray(whole)
        bad[at] ^= 0x10
        damaged = tmp_path / f"bad{ending}"
        damaged.write_bytes(bad)
        try:
            deploy.load(damaged)
        except deploy.DeployError as error:
            refused += 1
            assert damaged.name in str(error), error
    assert refused > 8
