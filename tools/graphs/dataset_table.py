"""The nine datasets of the pdADMM-G-Q paper: where their files are published and how a copy is recognised.

Checksums of downloads are those that other projects publish (data/README.md says which and how many agree);
content hashes are computed by npz.Graph.content_hashes() from reference copies. Unknown ones are absent.
"""
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dataset:
    title: str
    kind: str  # subcommand of convert.py
    urls: tuple[str, ...]
    nodes: int
    edges: int  # ordered pairs, both directions of every edge, no self-loops
    features: int
    classes: int
    split: tuple[int, int, int] | None = None  # None: random splits, no public one
    raw_sha256: dict[str, str] = field(default_factory=dict)  # by file name
    npz_sha256: str | None = None  # of the reference .npz in our layout, compressed as it was
    content: dict[str, str] = field(default_factory=dict)  # by part: graph, features, labels, masks
    older: dict[str, str] = field(default_factory=dict)  # what else a part may be …
    older_means: str = ""  # … and how it differs


PLANETOID = "https://github.com/kimiyoung/planetoid/raw/master/data/"
PLANETOID_PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
SHCHUR = "https://github.com/shchur/gnn-benchmark/raw/master/data/npz/"


def _planetoid(name: str, hashes: tuple[str, ...]) -> dict[str, object]:
    files = [f"ind.{name}.{part}" for part in PLANETOID_PARTS]
    return {"kind": "planetoid", "urls": tuple(PLANETOID + f for f in files), "raw_sha256": dict(zip(files, hashes))}


def _shchur(file: str, sha256: str) -> dict[str, object]:
    return {"kind": "gnn-benchmark", "urls": (SHCHUR + file,), "raw_sha256": {file: sha256}}


DATASETS: dict[str, Dataset] = {
    "cora": Dataset(
        title="Cora", nodes=2708, edges=10556, features=1433, classes=7, split=(140, 500, 1000),
        npz_sha256="87f428a00ce09f8b0d45b9f401a91d9842c7e24ddad6f7de02051747baee7958",
        content={"graph": "c488e096c16447afadbbc4959f819427e9a88f96a6935d2a3c5bc61cefd3e038",
                 "features": "6eff23a077d98ea487311c601817fa15189c3cce3447bafbf8943b3f39cd7d53",
                 "labels": "d0018d7ffd314eb25a4904973f2c7eb1b7be135d668de42d453714724f8e9d03",
                 "masks": "6bd8cc27013b1270c884603c41a93723dd92bf413c1e43b55cf5401c9cc13a2e"},
        **_planetoid("cora", (
            "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
            "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
            "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
            "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
            "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
            "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
            "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
            "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"))),
    "pubmed": Dataset(
        title="PubMed", nodes=19717, edges=88648, features=500, classes=3, split=(60, 500, 1000),
        **_planetoid("pubmed", (
            "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33",
            "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
            "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
            "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
            "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
            "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
            "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
            "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5"))),
    "citeseer": Dataset(
        title="Citeseer", nodes=3327, edges=9104, features=3703, classes=6, split=(120, 500, 1000),
        npz_sha256="3600fe104a0a149ff95149eb89892d4ecd332b4fa9697317d25b16e00cf2f039",
        content={"graph": "2ca27962a2782273fbc36e91faca367f034780d3887e71d0ede7f0b309171fa6",
                 "features": "fed16fab11be85838cbdc41d8f7f03348c9711994c28830292b183b78fbcbc50",
                 "labels": "a33560b649dadb27528b35f6bf2a3976cdc61d2e24ae8db5f5d503233b0ef7aa",
                 "masks": "10e6220ef6804cd1bd6ebece0ed9e9e2d6cf6d0f269ac7cc2485b6b588aa3229"},
        older={"labels": "448f8c04e02516b2784cfd3c5d82049f84ea77d6ef94c65ee19f8ea8b792b0fa"},
        older_means="where the 15 nodes without a class are of class 0",
        **_planetoid("citeseer", (
            "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
            "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
            "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
            "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
            "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
            "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
            "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
            "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4"))),
    "amazon_computers": Dataset(
        title="Amazon Computers", nodes=13752, edges=491722, features=767, classes=10,
        **_shchur("amazon_electronics_computers.npz",
                  "736ba1d9fd85eac2da83a5ad25c463f04b0031a6ca01563f90a7099d9e8ffb2c")),
    "amazon_photo": Dataset(
        title="Amazon Photo", nodes=7650, edges=238162, features=745, classes=8,
        npz_sha256="d880ecf22ea73fab5d25a067528844c246de5ff1c7cc893b9fa52b4bb88bcde2",
        content={"graph": "028f16c256a887a83cd239a4fef6deb5363e1dafa2556a010ff7bfc02cf97483",
                 "features": "51c2ee88675c777639e6ef2ae4f2ae995b735d652b85c221e622b21dac13d4ee",
                 "labels": "2eba7fee8d7b2a46a5f6a832ac2327bb2e3ffd1a3933452654cd3af2cc83536b"},
        **_shchur("amazon_electronics_photo.npz",
                  "bdb1feb8e6ff42ee44024b04479145029c563fd42fc31bff80af20887ba0439a")),
    "coauthor_cs": Dataset(
        title="Coauthor CS", nodes=18333, edges=163788, features=6805, classes=15,
        npz_sha256="f47c8dcbce62dcb39a6dd82d9d31d4df672b3a839f06b65a9815d7ac8fdc323c",
        content={"graph": "72a8cd7783f65e7b7655e3c37d96480dfb47cac0b9137ff090be94304d3b8b7c",
                 "features": "3f1d3333937bc3cfb210ea8ec521ccd906774b10652ac6f71f833b4442849516",
                 "labels": "509267279163a242c6c20e1115abadd404865f84ccb569b8c365362474a3e507"},
        **_shchur("ms_academic_cs.npz", "933c745734e78908c7eb77172a673fee0503f30e26e5a99b36814d88534c42e3")),
    "coauthor_physics": Dataset(
        title="Coauthor Physics", nodes=34493, edges=495924, features=8415, classes=5,
        **_shchur("ms_academic_phy.npz", "e4d68468eba5fb8f6b280ffd406bd53e6e4295ba1dd2967d6fe99b978e4b3375")),
    "flickr": Dataset(
        title="Flickr", kind="graphsaint", nodes=89250, edges=899756, features=500, classes=7,
        split=(44625, 22312, 22313),
        urls=("https://drive.google.com/open?id=1zycmmDES39zVlbVCYs88JTJ1Wm5FbfLz",)),
    "ogbn_arxiv": Dataset(
        title="Ogbn-Arxiv", kind="ogb", nodes=169343, edges=2315598, features=128, classes=40,
        split=(90941, 29799, 48603),
        urls=("http://snap.stanford.edu/ogb/data/nodeproppred/arxiv.zip",),
        raw_sha256={"arxiv.zip": "49f85c801589ecdcc52cfaca99693aaea7b8af16a9ac3f41dd85a5f3193fe276"}),
}
