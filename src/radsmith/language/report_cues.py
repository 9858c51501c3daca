"""The words by which reports affirm, deny, doubt and compare, and the heads of their sections.

Cues follow the idea of NegEx (Chapman et al. 2001) and ConText (Harkema et al. 2009): a cue before
a finding reaches forwards, one after it backwards, until something ends its reach.
"""

from __future__ import annotations

import re

from radsmith.language.words import Control

# fmt: off
_CUES: dict[str, tuple[str, ...]] = {
    "negation": (
        "no", "without", "absence of", "absence of a", "absence of any", "negative for", "free of",
        "no evidence of", "no evidence for", "not", "no sign of", "never", "lack of", "lacks",
        "neither", "denies", "without evidence of", "without sign of", "no longer", "not any",
        "does not show", "do not show", "no acute", "no obvious", "no definite", "no visible",
        "no convincing", "no convincing evidence of", "no convincing evidence for", "no discrete",
        "no definite evidence of", "no radiographic evidence of", "no sonographic evidence of",
        "no mammographic evidence of", "no ct evidence of", "no mr evidence of", "no interval",
        "no imaging evidence of", "no evidence to suggest", "nothing to suggest", "without any",
        "resolution of", "interval resolution of", "complete resolution of", "clearing of",
        "removal of", "interval removal of", "resection of", "cleared of", "no new", "not a",
        "evacuation of", "no residual", "no recurrent", "no suspicion of", "no suspicious",
        "rather than", "instead of", "excludes", "excluding", "no significant", "no large",
        "no hemodynamically significant", "no displaced", "no gross", "no appreciable",
        "fails to show", "failed to show", "no focal", "interval extubation",
    ),
    "denial": (
        "is absent", "are absent", "absent", "not seen", "not present", "not visible", "none",
        "ruled out", "is excluded", "not identified", "not detected", "not found", "negative",
        "has resolved", "have resolved", "had resolved", "is resolved", "are resolved",
        "not demonstrated", "not evident", "not shown", "not appreciated", "not visualized",
        "no longer seen", "no longer visible", "no longer present", "no longer identified",
        "no longer evident", "no longer appreciated", "no longer demonstrated", "no longer noted",
        "has cleared", "have cleared", "has been removed", "have been removed", "was removed",
        "has been evacuated", "was excluded", "has been excluded", "have been excluded", "excluded",
        "has been ruled out", "is ruled out", "was ruled out", "not noted", "not observed",
        "has been reduced", "has disappeared", "have disappeared", "has completely resolved",
        "have completely resolved", "resolved", "not apparent", "not confirmed", "not suspected",
        "removed", "has healed", "have healed",
    ),
    "doubt": (
        "possible", "possibly", "suspected", "probable", "probably", "suspicious for", "likely",
        "suspicion of", "suspicion for", "cannot exclude", "can not exclude", "could not exclude",
        "maybe", "perhaps", "concerning for", "concern for", "suggestive of", "suggesting",
        "suggest", "suggests", "presumed", "presumably", "may be", "might be", "could be",
        "may represent", "might represent", "could represent", "may reflect", "could reflect",
        "might reflect", "likely represents", "likely represent", "likely representing",
        "likely reflects", "likely reflecting", "most likely", "worrisome for", "questionable",
        "question of", "equivocal", "raising the possibility of", "possibility of", "suspicious of",
        "raises the possibility of", "raising concern for", "raises concern for", "suspect",
        "cannot be distinguished from", "cannot be differentiated from", "may indicate",
        "may suggest", "apparent", "differential includes", "most consistent with",
        "most compatible with", "most in keeping with", "differential diagnosis includes",
        "favored to represent", "favor", "favored to be", "favoring", "may be related to",
        "can be seen with", "can be seen in", "as can be seen in", "may be seen with",
        "typical of", "query", "indeterminate for", "may relate to", "less likely",
        "likely related to", "likely due to", "likely secondary to", "may be due to",
        "not excluding", "without excluding", "does not exclude", "do not exclude",
    ),
    "doubted": (
        "is possible", "are possible", "cannot be excluded", "can not be excluded", "not excluded",
        "could not be excluded", "cannot be ruled out", "can not be ruled out", "not ruled out",
        "cannot be entirely excluded", "cannot be completely excluded", "is suspected",
        "are suspected", "was suspected", "is questioned", "is likely", "is probable", "unlikely",
        "is a consideration", "are considerations", "should be considered", "may be considered",
        "is in the differential", "is not entirely excluded", "is favored", "are favored",
        "is less likely", "are less likely", "is more likely", "is most likely", "to be excluded",
        "might be present", "may be present", "could be present", "is difficult to exclude",
        "is not definitely excluded",
    ),
    "hypothetical": (
        "rule out", "evaluate for", "evaluation for", "evaluation of", "assess for", "if",
        "to exclude", "to evaluate for", "to assess for", "exclude", "look for", "should there be",
        "in case of", "looking for", "assessment for", "screening for", "limits evaluation for",
        "limit evaluation for", "risk of", "recommend", "recommended for",
    ),
    "versus": ("versus", "vs", "or possibly", "is favored over", "favored over"),
    "history": (
        "history of", "h o", "hx of", "history", "family history of", "past history of",
        "treated for", "surgery for", "resection for", "lobectomy for", "mastectomy for",
        "nephrectomy for", "therapy for", "chemotherapy for", "personal history of", "followed for",
    ),
    "comparison": (
        "compared with", "compared to", "comparison", "in comparison to", "in comparison with",
        "relative to", "comparison is made to", "comparison with",
    ),
    "neutral": (
        "no change in", "no change in the", "no interval change in", "no significant change in",
        "no significant interval change in", "no substantial change in", "no change", "unchanged",
        "without change", "not changed", "has not changed", "have not changed", "no increase in",
        "no interval change", "no significant change", "not increased", "not decreased",
        "without interval change", "without significant change", "there has been no change in",
        "no decrease in", "not significantly changed", "no progression of", "no worsening of",
        "no improvement in", "not only", "not resolved", "has not resolved", "have not resolved",
        "nearly resolved", "nearly completely resolved", "almost resolved", "partially resolved",
        "have nearly completely resolved", "has nearly completely resolved", "has nearly resolved",
        "have nearly resolved", "has partially resolved", "incompletely resolved", "seen only",
        "almost completely resolved", "partial resolution of", "near resolution of",
        "incomplete resolution of", "partial clearing of",
    ),
    "turn": (
        "but", "however", "except", "except for", "although", "apart from", "yet", "with",
        "showing", "shows", "demonstrating", "revealing", "though", "other than", "there is",
        "there are", "demonstrates", "reveals", "otherwise", "while", "whereas", "which", "because",
        "given", "following", "after", "due to", "secondary to", "aside from", "in the setting of",
        "besides", "there remains", "there has been", "there have been", "persists", "remain",
    ),
    "opens": (
        "chronic", "stable", "old", "multiple", "several", "scattered", "new", "increased",
        "improved", "worsening", "persistent", "similar", "status post", "previously seen",
        "previously noted", "previously described", "known", "interval development of",
        "interval increase in", "again", "increasing", "decreased", "resolving", "postoperative",
    ),
    "article": ("a", "an", "the"),
    "verb": (
        "is", "are", "was", "were", "has", "have", "appear", "appears", "measures", "measure",
        "has been", "have been", "remains", "noted", "seen", "is seen", "are seen", "is noted",
        "are noted", "is present", "are present", "is identified", "is demonstrated", "is visible",
        "are demonstrated", "are identified", "again noted", "again seen", "is again noted",
    ),
    "and": ("and", "as well as", "together with", "along with", "also"),
    "or": ("or", "nor"),
    "place": (
        "in", "of", "at", "within", "involving", "on", "over", "affecting", "near", "around",
        "along", "located", "extending", "about", "projecting over", "adjacent to",
    ),
    "filler": (
        "consistent", "compatible", "consistent with", "compatible with", "in keeping with",
        "in keeping", "representing", "due", "acute", "active", "evidence", "finding", "findings",
        "image", "this", "that", "these", "those", "its", "to", "by", "for", "as", "some", "any",
        "been", "be", "view", "study", "exam", "examination", "today", "currently", "current",
        "now", "from", "since", "patient", "size", "prior", "previous", "radiographic",
        "fat fluid level", "fluid level",
    ),
}
_HEADS = {
    "impression": "impression|conclusions?|opinion|summary|assessment|interpretation|diagnosis",
    "findings": "findings?|reports?|results?|description|observations?|addendum|body",
    "indication": (
        "indications?|clinical (?:history|information|indications?|data|details|question|context)"
        "|history|reason(?: for (?:exam|examination|study|test|visit))?|symptoms?|complaint"
    ),
    "technique": "techniques?|procedure|protocol|contrast|dose|medication",
    "comparison": "comparisons?|prior (?:studies|exams?|imaging)|previous (?:studies|exams?)",
    "exam": "exam(?:ination)?|study|title|type of exam(?:ination)?|procedure name|modality",
    "recommendation": "recommendations?|advice|follow[- ]?up|plan",
}
# fmt: on

REPORT_CONTROL: Control = tuple(_CUES.items())
HEAD = re.compile(
    r"(?:^|(?<=\n)|(?<=\.\s))[ \t]*(?:\*\*|#+ )?(?:final |radiology |preliminary )?(?:"
    + "|".join(f"(?P<{name}>{words})" for name, words in _HEADS.items())
    + r")(?:\*\*)?[ \t]*(?::|(?=\n))(?:\*\*)?",
    re.IGNORECASE,
)
"""The head of a section; the named group that matched is the section."""

ADJECTIVES = (
    "enlarged", "dilated", "widened", "elevated", "thickened", "tortuous", "deviated", "fractured",
    "collapsed", "calcified", "hyperinflated", "hyperexpanded", "dislocated", "narrowed",
    "inflamed", "torn", "ruptured", "prominent", "intubated", "atrophic", "sharp", "clear",
)  # fmt: skip
"""What is said of an organ after "is": looked up again before the organ ("enlarged heart")."""
