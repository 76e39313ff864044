"""A picture within a document of each format that can hold one."""

import base64
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from io import BytesIO

from PIL import Image

from rag import media
from tests.documents.office import docx, epub, ods, odt, pptx, xlsx
from tests.documents.scans import encoded

SHOT = encoded(Image.new("L", (300, 200), 128))
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="p" Type="{RELATION}/image" Target="../media/image1.png"/></Relationships>'
)


def with_parts(data: bytes, parts: Mapping[str, bytes | str]) -> bytes:
    file = BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def mail() -> bytes:
    message = EmailMessage()
    message["Subject"] = "Photo"
    message.set_content("See below.")
    message.add_related(SHOT, "image", "png", cid="<1>")
    return message.as_bytes()


URI = f"data:image/png;base64,{base64.b64encode(SHOT).decode()}"
FILES: Mapping[str, tuple[str, bytes]] = {
    "docx": (media.DOCX, with_parts(docx(), {"word/media/image1.png": SHOT})),
    "xlsx": (media.XLSX, with_parts(xlsx(), {"xl/media/image1.png": SHOT})),
    "ods": (media.ODS, with_parts(ods(), {"Pictures/a.png": SHOT})),
    "pptx": (
        media.PPTX,
        with_parts(pptx(), {"ppt/media/image1.png": SHOT, "ppt/slides/_rels/slide1.xml.rels": RELATIONS}),
    ),
    "odt": (
        media.ODT,
        with_parts(
            odt(
                "<text:p>Before.</text:p><text:p><draw:frame><draw:image xlink:href='Pictures/a.png'/>"
                "</draw:frame></text:p><text:p>After.</text:p>"
            ),
            {"Pictures/a.png": SHOT},
        ),
    ),
    "epub": (media.EPUB, with_parts(epub("<p>Before.</p><img src='img/a.png'/>"), {"img/a.png": SHOT})),
    "html": (
        media.HTML,
        f"<html><body><p>Before.</p><img alt='A gauge [big]' src='{URI}'><p>After.</p>".encode(),
    ),
    "eml": (media.EML, mail()),
}
