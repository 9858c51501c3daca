"""How many identifiers leave text, and how much harmless text stays. Run by hand.

python benchmarks/deidentifying.py [--held] [--misses]

Made-up people of `tests/identities.py`: every way to write a name, number or date stands in a
sentence of a structured report and in a technical attribute; each object goes through
`adapters.deidentify` whole. Identifiers count once a way; harmless words are the sentences' own.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

sys.path.insert(0, str(Path(__file__).parent.parent))
from radsmith.deidentification.attributes import Policy, deidentify
from radsmith.deidentification.identity import Identity
from radsmith.deidentification.romanise import romanise
from radsmith.deidentification.scrub import scrub
from tests.deidentification.identities import Person, left_of, people, words

POLICY = Policy(secret=b"0123456789abcdef")
PLAIN = "No pneumothorax. Nodule of 12 mm at L4-L5, series 3; MR knee axial with contrast, 120 kV."


def report_of(person: Person) -> tuple[Dataset, list[tuple[str, str]]]:
    """A structured report about a person; (mention, sentence) of each of its text items."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3"
    dataset.PatientName, dataset.PatientID = person.header, person.number
    dataset.PatientBirthDate, dataset.AccessionNumber = person.born, person.accession
    dataset.InstitutionName = person.institution
    mentions = [*person.written, *person.numbers_written, person.institution]
    ways = person.sentences
    said = [(m, ways[n % len(ways)].format(m)) for n, m in enumerate(mentions)]
    items = []
    for text in (*(s for _, s in said), PLAIN):
        item = Dataset()
        item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
        items.append(item)
    technical = Dataset()
    technical.TransmitCoilManufacturerName = f"coil {person.written[0]}"
    dataset.MRReceiveCoilSequence = Sequence([technical])
    dataset.ContentSequence = Sequence(items)
    return dataset, said


def measure(chosen: list[Person]) -> tuple[Counter, list[tuple[str, str, str]]]:
    """Counts: identifiers, gone, harmless, kept; and what stayed (language, mention, text)."""
    counts: Counter[str] = Counter()
    misses = []
    for person in chosen:
        dataset, said = report_of(person)
        clean, _ = deidentify(dataset, POLICY)
        texts = [str(item.TextValue) for item in clean.ContentSequence]
        for (mention, sentence), text in zip(said, texts, strict=False):
            kind = "names" if mention in person.written else "numbers"
            kind = "institutions" if mention == person.institution else kind
            template = next(t for t in person.sentences if t.format(mention) == sentence)
            named = kind == "names"
            left = left_of(mention, text, template) if named else _told(mention, text)
            counts[f"{kind}"] += 1
            counts[f"{kind} gone"] += not left
            if left:
                misses.append((person.language, f"{person.header} | {mention}", text))
            own = Counter(words(person.header)) + Counter(words(mention))
            for word in words(template.replace("{}", " ")):
                if word not in own and not word.isdigit():
                    counts["harmless"] += 1
                    kept = word in words(text)
                    counts["harmless kept"] += kept
                    if not kept:
                        misses.append((person.language, f"{person.header} lost {word}", text))
        counts["plain"] += len(words(PLAIN))
        counts["plain kept"] += sum(w in words(texts[-1]) for w in words(PLAIN))
        coil = str(clean.MRReceiveCoilSequence[0].TransmitCoilManufacturerName)
        counts["technical"] += 1
        counts["technical gone"] += not left_of(person.written[0], coil)
        if left_of(person.written[0], coil):
            misses.append((person.language, f"{person.header} coil {person.written[0]}", coil))
    return counts, misses


def measure_sentences(chosen: list[Person]) -> tuple[int, int]:
    """Words, and words kept, of sentences of reports that name nobody, cleaned for each person."""
    path = Path(__file__).parent.parent / "tests" / "data" / "report_sentences.csv"
    with path.open(newline="", encoding="utf-8") as file:
        sentences = [row["sentence"] for row in csv.DictReader(file)]
    said = kept = 0
    for number, person in enumerate(chosen):
        identity = Identity(
            names=frozenset([person.header]),
            others=frozenset(["White^Anna", "Small^John", "Ng^Peter"]),
            numbers=frozenset([person.number, person.accession]),
            dates=frozenset([person.born]),
            places=frozenset([person.institution]),
            romanise=romanise,
        )
        for sentence in sentences[number % 7 :: 7]:
            left = Counter(words(scrub(sentence, identity)))
            for word, count in Counter(words(sentence)).items():
                if word not in words(person.header):
                    said += count
                    kept += min(count, left[word])
    return said, kept


def _told(mention: str, text: str) -> bool:
    solid = "".join(c for c in text.lower() if c.isalnum())
    return "".join(c for c in mention.lower() if c.isalnum()) in solid


def main() -> None:
    """Print the table."""
    everyone = list(people())
    sets = {"made with": [p for p in everyone if not p.held]}
    if "--held" in sys.argv:
        sets["held out"] = [p for p in everyone if p.held]
    for name, chosen in sets.items():
        counts, misses = measure(chosen)
        print(f"{name}: {len(chosen)} people, {len({p.language for p in chosen})} languages")
        for kind in ("names", "numbers", "institutions", "technical"):
            gone, all_ = counts[f"{kind} gone"], counts[kind]
            print(f"  {kind}: {gone} of {all_} gone, {100 * gone / all_:.2f} %")
        for kind in ("harmless", "plain"):
            kept, all_ = counts[f"{kind} kept"], counts[kind]
            print(f"  {kind} words: {kept} of {all_} kept, {100 * kept / all_:.2f} %")
        said, kept = measure_sentences(chosen)
        print(f"  words of report sentences: {kept} of {said} kept, {100 * kept / said:.2f} %")
        if "--misses" in sys.argv and name == "made with":
            for miss in misses:
                print("   ", *miss, sep=" · ")


if __name__ == "__main__":
    main()
