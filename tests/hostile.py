"""Hostile requests of the annotator's tests that bring something along: files, names of files, archives."""

import io
import json
import struct
import zipfile
import zlib
from typing import Any, NamedTuple

import annotating as an
from PIL import Image


class Ask(NamedTuple):
    """A request, and the statuses that are right."""

    method: str = "GET"
    path: str = "/api/health"
    content: bytes | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 (never changed)
    right: tuple[int, ...] = (422,)
    json: bool = False


def upload(content: bytes, right: tuple[int, ...] = (415,), name: str = "x.png", **headers: str) -> Ask:
    return Ask("POST", f"/api/pictures?name={name}", content, headers, right)


def bring(content: bytes, right: tuple[int, ...] = (422,), format: str = "coco") -> Ask:
    return Ask("POST", f"/api/import?id=i1&client=me&format={format}", content, {}, right)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of one's own making."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width & 0xFFFFFFFF, height & 0xFFFFFFFF, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def saved(format: str, *, frames: int = 1, mode: str = "RGB", size: tuple[int, int] = (40, 30), **more: Any) -> bytes:
    content = io.BytesIO()
    pictures = [Image.new("RGB", size, (number * 20 % 255, 5, 5)).convert(mode) for number in range(frames)]
    several = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(content, format, **several, **more)
    return content.getvalue()


def packed(members: dict[str, bytes], *, link: str | None = None, encrypt: bool = False, twice: bool = False) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        if link:
            info = zipfile.ZipInfo("link.json")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, link)
        if twice:
            archive.filelist.append(archive.filelist[0])
    raw = content.getvalue()
    if encrypt:
        at = raw.index(b"PK\x01\x02")
        raw = raw[: at + 8] + bytes([raw[at + 8] | 1]) + raw[at + 9 :]
    return raw


BODY = _chunk(b"IDAT", zlib.compress(b"\0" * 200))
GOOD = an.picture_bytes(3)
JPEG = an.picture_bytes(3, format="JPEG")
DEEP = b"[" * 100_000

FILES: dict[str, Ask] = {
    "nothing": upload(b""),
    "one byte": upload(b"\x89"),
    "random bytes": upload(bytes(range(256)) * 8),
    "HTML as JPEG": upload(b"<html><script>alert(1)</script></html>", name="x.jpg"),
    "bomb of 30000 x 30000": upload(png(30_000, 30_000, _chunk(b"IDAT", zlib.compress(b"\0" * 2_000_000)))),
    "65500 x 65500 JPEG head": upload(
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xdc\xff\xdc\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9"
    ),
    "width 0": upload(png(0, 10, BODY)),
    "width 2^31": upload(png(2**31, 1, BODY)),
    "bad checksum": upload(GOOD[:40] + b"\xff" + GOOD[41:]),
    "PNG cut in its pixels": upload(GOOD[: len(GOOD) // 2]),
    "text bomb in a PNG": upload(
        png(4, 4, _chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 80_000_000)), BODY), (200, 415)
    ),
    "profile bomb in a PNG": upload(
        png(4, 4, _chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 80_000_000)), BODY), (200, 415)
    ),
    "animated PNG": upload(saved("PNG", frames=30)),
    "animated GIF": upload(saved("GIF", frames=30)),
    "animated WebP": upload(saved("WEBP", frames=30)),
    "JPEG cut in half": upload(JPEG[: len(JPEG) // 2]),
    "JPEG of 12 bits": upload(JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")),
    "orientation 99": upload(
        saved("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0"), (200,)
    ),
    "64 KB of garbage for EXIF": upload(saved("JPEG", exif=b"Exif\0\0" + b"\xfe" * 60_000), (200,)),
    "corrupt colour profile": upload(saved("JPEG", icc_profile=b"nonsense" * 50), (200,)),
    "TIFF of 16 bits": upload(saved("TIFF", mode="I;16")),
    "TIFF of floats": upload(saved("TIFF", mode="F")),
    "TIFF bomb": upload(saved("TIFF", mode="1", size=(32_000, 8_000), compression="group4")),
    "BMP": upload(saved("BMP")),
    "ICO": upload(saved("ICO", size=(16, 16))),
    "PSD": upload(b"8BPS\0\x01" + b"\0" * 60),
    "FITS": upload(b"SIMPLE  =                    T" + b" " * 2850),
    "EPS": upload(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "SVG with a script": upload(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "SVG with an entity": upload(b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'),
    "PDF": upload(b"%PDF-1.7\n1 0 obj <<>> endobj"),
    "1 x 1": upload(saved("PNG", size=(1, 1)), (200,)),
    "1 x 40000": upload(saved("PNG", size=(1, 40_000))),
    "too many bytes": upload(b"\x89PNG" + b"\0" * (50 * 2**20), (413,)),
    "an archive": upload(packed({"a.png": GOOD})),
}

NAMES: dict[str, Ask] = {
    "up": upload(GOOD, (200,), "..%2F..%2Fx"),
    "up, the other way": upload(GOOD, (200,), "..%5C..%5Cx"),
    "absolute": upload(GOOD, (200,), "%2Fetc%2Fpasswd"),
    "a drive": upload(GOOD, (200,), "C%3A%5Cx.png"),
    "NUL": upload(GOOD, (422,), "a%00.png"),
    "twice encoded": upload(GOOD, (200,), "%252e%252e%252fx"),
    "a dot": upload(GOOD, (200,), "."),
    "empty": upload(GOOD, (422,), ""),
    "no name": Ask("POST", "/api/pictures", GOOD, {}, (422,)),
    "4000 letters": upload(GOOD, (422,), "a" * 4000),
    "a device": upload(GOOD, (200,), "NUL.png"),
    "right to left": upload(GOOD, (200,), "%E2%80%AEgnp.exe"),
    "emoji": upload(GOOD, (200,), "%F0%9F%A6%8B.png"),
    "a line break": upload(GOOD, (422,), "a%0D%0ASet-Cookie:x"),
    "half a character": upload(GOOD, (200, 422), "%ED%A0%80.png"),
    "broken UTF-8": upload(GOOD, (200, 422), "%FF%FE.png"),
    "picture id that leads away": Ask(path="/api/pictures/..%2F..%2Ftoken/image", right=(404, 422)),
    "picture id in capitals": Ask(path="/api/pictures/ABCDEFABCDEFABCDEFAB", right=(422,)),
    "page that leads away": Ask(path="/..%2f..%2fproject.sqlite", right=(404,)),
    "dots in the page": Ask(path="/assets/../../token", right=(404,)),
    "the token": Ask(path="/token", right=(404,)),
    "the database": Ask(path="/project.sqlite", right=(404,)),
}

COCO = {"images": [], "categories": [{"id": 1, "name": "x", "keypoints": ["a"], "skeleton": []}], "annotations": []}
ARCHIVES: dict[str, Ask] = {
    "a member that leads up": bring(packed({"../x.json": b"{}"})),
    "an absolute member": bring(packed({"/etc/x.json": b"{}"})),
    "a member on a drive": bring(packed({"C:/x.json": b"{}"})),
    "a backslash": bring(packed({"a\\..\\x.json": b"{}"})),
    "a link": bring(packed({}, link="/etc/passwd")),
    "packed 1000 times": bring(packed({"x.json": b" " * 40_000_000}), (413,)),
    "an archive in an archive": bring(packed({"x.zip": packed({"y.json": b"{}"})})),
    "30000 members": bring(packed({f"{number}.txt": b"" for number in range(30_000)}), (413,)),
    "a name twice": bring(packed({"x.json": b"{}"}, twice=True)),
    "encrypted": bring(packed({"x.json": b"{}"}, encrypt=True)),
    "cut": bring(packed({"x.json": b"{}" * 500})[:60]),
    "no labels in it": bring(packed({"readme.txt": b"hello"})),
    "two files of labels": bring(packed({"a.json": b"{}", "b.json": b"{}"})),
    "a file for a folder": bring(b"path: .\n", format="yolo"),
    "an unknown format": bring(b"{}", format="pickle"),
    "no JSON": bring(b"{"),
    "a list": bring(b"[]"),
    "deep JSON": bring(DEEP),
    "XML that grows": bring(
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">'
        b'<!ENTITY c "&b;&b;&b;&b;">]><annotations>&c;</annotations>',
        format="cvat",
    ),
    "XML that reads files": bring(
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;</annotations>', format="cvat"
    ),
    "YAML that runs": bring(packed({"data.yaml": b"!!python/object/apply:os.system ['touch /tmp/x']"}), format="yolo"),
    "a name of 300 letters": bring(
        json.dumps(COCO | {"categories": [{"id": 1, "name": "x" * 300, "keypoints": ["a"]}]}).encode()
    ),
    "a keypoint with a line break": bring(
        json.dumps(COCO | {"categories": [{"id": 1, "name": "x", "keypoints": ["a\nb"]}]}).encode()
    ),
    "NaN": bring(
        json.dumps(
            COCO
            | {
                "images": [{"id": 1, "file_name": "set/00.png", "width": 160, "height": 120}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [float("nan"), 1, 2]}],
            }
        ).encode()
    ),
    "a file that leads up": bring(
        json.dumps(COCO | {"images": [{"id": 1, "file_name": "../x", "width": 1, "height": 1}]}).encode()
    ),
    "nothing": bring(b""),
}
