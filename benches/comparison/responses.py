"""Poll Responses and files to drop, of any size: the same arguments give the same bytes."""

import random
import sys
from pathlib import Path

TAXII = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1"
STIX = "urn:stix.mitre.org:xml:1.1.1"
TEMPLATES = 64

_PACKAGE = """<stix:STIX_Package xmlns:stix="http://stix.mitre.org/stix-1" xmlns:stixCommon="http://stix.mitre.org/common-1" \
xmlns:stixVocabs="http://stix.mitre.org/default_vocabularies-1" xmlns:indicator="http://stix.mitre.org/Indicator-2" \
xmlns:cybox="http://cybox.mitre.org/cybox-2" xmlns:cyboxCommon="http://cybox.mitre.org/common-2" \
xmlns:AddressObj="http://cybox.mitre.org/objects#AddressObject-2" xmlns:example="http://example.com/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="example:Package-@ID@" version="1.1.1" timestamp="2024-05-06T07:08:09Z">
    <stix:STIX_Header>
        <stix:Title>Watchlist {title}</stix:Title>
        <stix:Package_Intent xsi:type="stixVocabs:PackageIntentVocab-1.0">Indicators - Watchlist</stix:Package_Intent>
    </stix:STIX_Header>
    <stix:Indicators>{indicators}
    </stix:Indicators>
</stix:STIX_Package>"""

_INDICATOR = """
        <stix:Indicator id="example:indicator-{id}" timestamp="2024-05-06T07:08:09Z" xsi:type="indicator:IndicatorType">
            <indicator:Title>{title}</indicator:Title>
            <indicator:Type xsi:type="stixVocabs:IndicatorTypeVocab-1.1">IP Watchlist</indicator:Type>
            <indicator:Observable id="example:Observable-{id}">
                <cybox:Object id="example:Address-{id}">
                    <cybox:Properties xsi:type="AddressObj:AddressObjectType" category="ipv4-addr">
                        <AddressObj:Address_Value condition="Equals">{address}</AddressObj:Address_Value>
                    </cybox:Properties>
                </cybox:Object>
            </indicator:Observable>
        </stix:Indicator>"""


def packages(size: int, templates: int, seed: int = 1) -> list[tuple[bytes, bytes]]:
    """STIX packages of about `size` bytes, each in two parts, between which an identifier goes."""
    chance = random.Random(seed)
    made = []
    for _ in range(templates):
        indicators, length = [], len(_PACKAGE)
        while length < size or not indicators:
            indicators.append(_INDICATOR.format(
                id="%08x-%04x" % (chance.getrandbits(32), chance.getrandbits(16)),
                title="Seen with " + " ".join(chance.choice(("beacon", "loader", "dropper", "mailer")) for _ in range(3)),
                address=".".join(str(chance.randrange(1, 255)) for _ in range(4))))
            length += len(indicators[-1])
        text = _PACKAGE.format(title=chance.randrange(10**6), indicators="".join(indicators))
        before, after = text.split("@ID@")
        made.append((before.encode(), after.encode()))
    return made


def identifier(number: int) -> bytes:
    return b"%08x-0000-4000-8000-%012x" % (number & 0xFFFFFFFF, number)


def poll_response(path: Path, blocks: int, size: int = 2300, templates: int = TEMPLATES) -> Path:
    """Writes a Poll_Response of one part as libtaxii's servers print it; each block holds about `size` bytes."""
    if path.exists():
        return path
    parts = [
        (b'  <taxii_11:Content_Block>\n    <taxii_11:Content_Binding binding_id="%s"/>\n    <taxii_11:Content>%s'
         % (STIX.encode(), before), after + b"</taxii_11:Content>\n    <taxii_11:Timestamp_Label>")
        for before, after in packages(size, min(templates, blocks))
    ]
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb", buffering=1 << 20) as file:
        file.write(f'<taxii_11:Poll_Response xmlns:taxii_11="{TAXII}" message_id="1000001" in_response_to="0" '
                   f'collection_name="feed" more="false" result_part_number="1">\n'.encode())
        for number in range(blocks):
            before, after = parts[number % len(parts)]
            label = b"2024-%02d-%02dT%02d:%02d:%02d.%06dZ" % (
                1 + number // 2419200 % 12, 1 + number // 86400 % 28, number // 3600 % 24, number // 60 % 60,
                number % 60, number % 10**6)
            file.write(before + identifier(number) + after + label
                       + b"</taxii_11:Timestamp_Label>\n  </taxii_11:Content_Block>\n")
        file.write(b"</taxii_11:Poll_Response>\n")
    return unfinished.rename(path)


def one_text(path: Path, size: int) -> Path:
    """Writes a Poll_Response whose one block is a package with a single text of `size` bytes."""
    if path.exists():
        return path
    [(before, after)] = packages(0, 1)
    line = b"All of this is one text. " * 40_000
    with path.open("wb", buffering=1 << 20) as file:
        file.write(f'<Poll_Response xmlns="{TAXII}" message_id="1" in_response_to="0" collection_name="feed">'
                   f'<Content_Block><Content_Binding binding_id="{STIX}"/><Content>'.encode())
        title = after.index(b"Watchlist")
        file.write(before + identifier(0) + after[:title])
        for _ in range(size // len(line) + 1):
            file.write(line)
        file.write(after[title:] + b"</Content></Content_Block></Poll_Response>")
    return path


def files(directory: Path, count: int, size: int = 1800) -> Path:
    """Makes `count` files of about `size` bytes."""
    if directory.exists():
        return directory
    unfinished = directory.with_name(directory.name + ".new")
    unfinished.mkdir(parents=True)
    made = packages(size, min(TEMPLATES, count))
    for number in range(count):
        before, after = made[number % len(made)]
        (unfinished / f"{number:06}.xml").write_bytes(before + identifier(number) + after)
    return unfinished.rename(directory)


def one_file(path: Path, size: int) -> Path:
    """Writes one package of `size` bytes, of many indicators."""
    if path.exists():
        return path
    [(before, after)] = packages(1 << 20, 1)
    start = after.index(b"        <stix:Indicator ")
    end = after.index(b"    </stix:Indicators>")
    with path.open("wb", buffering=1 << 20) as file:
        file.write(before + identifier(0) + after[:start])
        for _ in range(size // (end - start) + 1):
            file.write(after[start:end])
        file.write(after[end:])
    return path


def main():
    """`responses.py KIND PATH NUMBER...`: a process of its own, whose memory is not that of whoever measures."""
    kind, path, *numbers = sys.argv[1:]
    make = {"poll": poll_response, "text": one_text, "files": files, "file": one_file}[kind]
    make(Path(path), *map(int, numbers))


if __name__ == "__main__":
    main()
