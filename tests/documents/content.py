"""What the handbook says."""

TITLE = "Harbour Handbook"
HEADINGS = ("Tides and moorings", "Night watch")
OTHER_ALPHABETS = "Größe, naïve café, Łódź, 東京 and emoji 🚢 stay as they are."
SENTENCES = (
    "Every mooring line is doubled when the barometer falls below 990 hectopascals.",
    "The night watch rings the harbour bell once for every vessel that enters after dusk.",
)
TABLE = (("Berth", "Depth", "Keeper"), ("North pier", "7.5 m", "Ada"), ("South basin", "4.2 m", "Grace"))
