"""Concept ids of one manifest row: the labels the model is trained on.

Words that data sets use in a sense of their own are mapped by table; any other finding is read as
a prompt would be, next to modality and body part, and left out where one of its words is unknown.
"""

from __future__ import annotations

import re
from functools import cache

from radsmith.generation.plan import LIMBS
from radsmith.language.prompt import OLDEST, group_of_age
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import Vocabulary, default_vocabulary, slug

SIMULATED = ("ct_projection", LIMBS)
"""Sources whose images no machine ever took: projected from CT volumes, and made of shapes."""

FIND = {  # manifest phrase
    "normal": ["finding:normal"],
    "bacterial pneumonia": ["finding:bacterial-pneumonia", "finding:pneumonia"],
    "viral pneumonia": ["finding:viral-pneumonia", "finding:pneumonia"],
    "pneumonia": ["finding:pneumonia"],
    "covid-19": ["finding:covid-19-pneumonia", "finding:pneumonia"],
    "covid-19 pneumonia": ["finding:covid-19-pneumonia", "finding:pneumonia"],
    "tuberculosis": ["finding:tuberculosis"],
    "active tuberculosis": ["finding:tuberculosis", "finding:active-tuberculosis"],
    "old tuberculosis": ["finding:tuberculosis", "finding:old-tuberculosis"],
    "implant": ["finding:implant"],
    "shoulder arthroplasty": ["finding:shoulder-arthroplasty"],
    "glioma": ["finding:glioma"],
    "pituitary tumor": ["finding:pituitary-tumor"],
    "meningioma": ["finding:meningioma"],
    "first trimester": ["age_group:fetus", "finding:first-trimester"],
    "second trimester": ["finding:second-trimester"],
    "third trimester": ["finding:third-trimester"],
    "multiple sclerosis": ["finding:multiple-sclerosis"],
    "white matter lesions": ["finding:white-matter-lesions"],
    "scoliosis": ["finding:scoliosis"],
    "adolescent idiopathic scoliosis": ["finding:scoliosis"],
    "benign breast mass": ["finding:benign-breast-mass"],
    "malignant breast mass": ["finding:malignant-breast-mass"],
    "malignant breast lesion": ["finding:breast-cancer"],
    "breast cancer": ["finding:breast-cancer"],
    "breast cancer (study cohort)": ["finding:breast-cancer"],
    "doubtful osteoarthritis (kl grade 1)": ["finding:osteoarthritis", "severity:doubtful"],
    "mild osteoarthritis (kl grade 2)": ["finding:osteoarthritis", "severity:mild"],
    "moderate osteoarthritis (kl grade 3)": ["finding:osteoarthritis", "severity:moderate"],
    "severe osteoarthritis (kl grade 4)": ["finding:osteoarthritis", "severity:severe"],
    "infiltration": ["finding:infiltration"],
    "fracture": ["finding:fracture"],
    "atelectasis": ["finding:atelectasis"],
    "edema": ["finding:pulmonary-edema"],
    "pulmonary edema": ["finding:pulmonary-edema"],
    "b-lines": ["finding:b-lines"],
    "a-lines": ["finding:a-lines"],
    "effusion": ["finding:pleural-effusion"],
    "pleural effusion": ["finding:pleural-effusion"],
    "consolidation": ["finding:consolidation"],
    "irregular pleural line": ["finding:irregular-pleural-line"],
    "mass": ["finding:lung-mass"],
    "nodule": ["finding:lung-nodule"],
    "lung nodule/mass": ["finding:lung-nodule"],
    "lung nodule/lesion": ["finding:lung-nodule"],
    "lung cancer": ["finding:lung-cancer"],
    "vestibular schwannoma": ["finding:vestibular-schwannoma"],
    "intracranial hemorrhage": ["finding:intracranial-hemorrhage"],
    "intraparenchymal hemorrhage": [
        "finding:intracranial-hemorrhage",
        "finding:intraparenchymal-hemorrhage",
    ],
    "perihematomal edema": ["finding:perihematomal-edema"],
    "endometrioma": ["finding:endometrioma"],
    "hepatocellular carcinoma (study cohort)": ["finding:hepatocellular-carcinoma"],
    "hepatocellular carcinoma": ["finding:hepatocellular-carcinoma"],
    "pleural thickening": ["finding:pleural-thickening"],
    "ovarian teratoma": ["finding:ovarian-teratoma"],
    "ovarian serous cystadenoma": ["finding:ovarian-serous-cystadenoma"],
    "nasopharyngeal carcinoma": ["finding:nasopharyngeal-carcinoma"],
    "epilepsy": ["finding:epilepsy"],
    "cardiomegaly": ["finding:cardiomegaly"],
    "hypertrophic obstructive cardiomyopathy": ["finding:hypertrophic-cardiomyopathy"],
    "benign liver mass": ["finding:benign-liver-mass"],
    "malignant liver mass": ["finding:malignant-liver-mass"],
    "acute ischemic stroke": ["finding:ischemic-stroke"],
    "pneumothorax": ["finding:pneumothorax"],
    "simple ovarian cyst": ["finding:ovarian-cyst"],
    "ovarian mucinous cystadenoma": ["finding:ovarian-mucinous-cystadenoma"],
    "ovarian theca cell tumor": ["finding:ovarian-thecoma"],
    "chronic kidney disease": ["finding:chronic-kidney-disease"],
    "high-grade serous ovarian tumor": ["finding:ovarian-serous-carcinoma"],
    "congenital heart disease": ["finding:congenital-heart-disease"],
    "emphysema": ["finding:emphysema"],
    "central venous port": ["finding:central-venous-port"],
    "mediastinal lesion": ["finding:mediastinal-mass"],
    "myocardial infarction": ["finding:myocardial-infarction"],
    "developmental dysplasia of the hip": ["finding:developmental-dysplasia-of-the-hip"],
    "appendicitis": ["finding:appendicitis"],
    "pneumoperitoneum": ["finding:pneumoperitoneum"],
    "fibrosis": ["finding:pulmonary-fibrosis"],
    "lung lesion": ["finding:lung-nodule"],
    "lung opacity": ["finding:lung-opacity"],
    "cyst filled with thick fluid": ["finding:breast-cyst"],
    "simple cyst": ["finding:breast-cyst"],
    "complex cyst / non-simple cyst": ["finding:breast-cyst"],
    "breast scar (surgery)": ["finding:postoperative"],
    "sebaceous carcinoma": ["finding:breast-cancer"],
    "apocrine carcinoma": ["finding:breast-cancer"],
    "metaplastic carcinoma": ["finding:breast-cancer"],
    "fourth ventricle mass": ["finding:brain-tumor"],
    "suprasellar mass": ["finding:brain-tumor"],
    "pineal region mass": ["finding:brain-tumor"],
    "pineal gland mass": ["finding:brain-tumor"],
    "pituitary fossa mass": ["finding:brain-tumor"],
    "infiltrating mass": ["finding:brain-tumor"],
    "mass compressing the midbrain": ["finding:brain-tumor"],
    "left temporal horn mass": ["finding:brain-tumor", "side:left"],
    "extra-axial mass at the right choroidal fissure": ["finding:brain-tumor", "side:right"],
    "ring-enhancing lesion": ["finding:lesion"],
    "multiple ring-enhancing lesions": ["finding:lesion"],
    "bilateral ring-enhancing lesions": ["finding:lesion", "side:bilateral"],
    "right frontal ring-enhancing lesion": ["finding:lesion", "side:right"],
    "right temporal ring-enhancing lesion": ["finding:lesion", "side:right"],
    "right hemisphere hypodense lesion": ["finding:lesion", "side:right"],
    "right hemisphere infarct": ["finding:ischemic-stroke", "side:right"],
    "left middle cerebral artery infarct": ["finding:ischemic-stroke", "side:left"],
    "punctate infarcts": ["finding:ischemic-stroke"],
    "posterior circulation infarcts": ["finding:ischemic-stroke"],
    "calcified pancreatic mass": ["finding:pancreatic-mass"],
    "septated pancreatic cyst with calcification": ["finding:pancreatic-mass"],
    "fat-containing renal masses": ["finding:renal-mass"],
    "nephroblastomatosis": ["finding:renal-mass"],
    "ureteral obstruction": ["finding:hydronephrosis"],
    "cecal mass": ["finding:mass"],
    "jejunal mass": ["finding:mass"],
    "terminal ileum mass": ["finding:mass"],
    "fatty omental mass": ["finding:mass"],
    "pelvic cystic mass": ["finding:mass"],
    "hypodense left abdominal mass": ["finding:mass", "side:left"],
    "left rectus abdominis mass": ["finding:mass", "side:left"],
    "fatty pericolic lesion": ["finding:lesion"],
    "pleural opacities": ["finding:lung-opacity"],
    "ecg leads or monitor cables": ["finding:ecg-electrodes"],
    "nasogastric or feeding tube": ["finding:nasogastric-tube"],
    "pacemaker or icd": ["finding:pacemaker"],
    "shoulder prosthesis": ["finding:shoulder-arthroplasty"],
    "spinal fixation hardware": ["finding:spinal-fusion"],
    "humeral fixation hardware": ["finding:implant"],
    "liver tumor set (per-slice unlabelled)": [],  # of the patient; the slice may show none
    "fetal head": [],  # the body part once more
    "diverticulosis": [],  # not the inflammation that the word also finds
    "gastric wall thickening": [],
    "fatty infiltration of the pancreas": [],
    "likely right pneumothorax": [],
    "no device seen": [],
}
VIEW = {
    "AP": ["view:ap"],
    "PA": ["view:pa"],
    "frontal": ["view:frontal"],
    "PA weight-bearing": ["view:pa", "view:weight-bearing"],
    "axial": ["view:axial"],
    "sagittal": ["view:sagittal"],
    "coronal": ["view:coronal"],
    "transverse": ["view:transverse"],
    "longitudinal": ["view:longitudinal"],
    "MLO": ["view:mlo"],
    "CC": ["view:cc"],
    "lateral": ["view:lateral"],
    "oblique": ["view:oblique"],
    "pelvic": ["view:pelvic"],
    "abdominal": ["view:abdominal"],
    "short axis": ["view:short-axis"],
    "apical two-chamber": ["view:apical-two-chamber"],
    "apical four-chamber": ["view:apical-four-chamber"],
    "Towne": ["view:towne"],
    "Waters": ["view:waters"],
    "coronal (Graf standard plane)": ["view:graf-plane"],
    "coronal (off standard plane)": ["view:coronal"],
    "subcostal sweep": ["view:subcostal"],
    "hepatorenal view (liver and right kidney)": ["view:hepatorenal"],
}
TECH = [  # regex on lower-cased technique -> id
    (r"t1 post-contrast|post-contrast", "technique:post-contrast"),
    (r"\bt1\b|t1-weighted", "technique:t1-weighted"),
    (r"\bt2\b|t2-weighted", "technique:t2-weighted"),
    (r"flair", "technique:flair"),
    (r"skull-stripped", "technique:skull-stripped"),
    (r"mprage", "technique:mprage"),
    (r"soft[- ]tissue window|mediastinal window|\bmediastinal", "technique:soft-tissue-window"),
    (r"lung window|lung, wide", "technique:lung-window"),
    (r"brain window", "technique:brain-window"),
    (r"bone window", "technique:bone-window"),
    (r"subdural window", "technique:subdural-window"),
    (r"non-contrast|without contrast", "technique:non-contrast"),
    (r"dynamic contrast-enhanced", "technique:dynamic-contrast-enhanced"),
    (
        r"contrast ct|contrast-enhanced(?! examination)|with contrast|, contrast,",
        "technique:contrast-enhanced",
    ),
    (r"arterial phase", "technique:arterial-phase"),
    (r"portal venous phase", "technique:portal-venous-phase"),
    (r"low-dose", "technique:low-dose"),
    (r"convex probe", "technique:convex-probe"),
    (r"linear probe", "technique:linear-probe"),
    (r"head-circumference", "technique:head-circumference-plane"),
    (r"b-mode", "technique:b-mode"),
    (r"digital mammography", "technique:digital-mammography"),
    (r"film mammography", "technique:film-mammography"),
    (r"recombined", "technique:subtracted"),
    (r"ct angiography", "technique:ct-angiography"),
    (r"mr angiography", "technique:mr-angiography"),
    (r"weight-bearing", "view:weight-bearing"),
    (r"steady-state", "technique:steady-state-free-precession"),
    (r"haste|single-shot", "technique:single-shot"),
    (r"fat-suppressed", "technique:fat-suppressed"),
    (r"diffusion", "technique:diffusion-weighted"),
    (r"portable", "technique:portable"),
]
_READ = ("body_part", "view", "technique", "findings", "age_group", "sex", "laterality")
SEX = {"f": "sex:female", "w": "sex:female", "m": "sex:male"}
SIDE = {
    "left": "side:left",
    "right": "side:right",
    "bilateral": "side:bilateral",
    "left-convex": "side:left",
    "right-convex": "side:right",
}


def concepts_of(row: dict[str, str]) -> tuple[str, ...]:
    """Concept ids of a manifest row with those they imply, without repeats.

    A side is the row's, else that of its findings. Ids that the vocabulary lacks are kept.
    """
    row = dict.fromkeys(_READ, "") | row
    ids = ["modality:" + row["modality"]]
    if row["body_part"]:
        ids.append("body_part:" + slug(row["body_part"]))
    ids += VIEW.get(row["view"], [])
    ids += _techniques(row["technique"].lower(), row["modality"])
    for phrase in row["findings"].split(";"):
        ids += findings_of(phrase.strip(), row["modality"], row["body_part"])
    ids += _age_groups(row["age_group"], row.get("age", ""))
    if row["sex"].lower() in SEX:
        ids.append(SEX[row["sex"].lower()])
    if row["laterality"] in SIDE:
        ids = [c for c in ids if not c.startswith("side:")] + [SIDE[row["laterality"]]]
    return default_vocabulary().with_implied(_one_side(ids))


def findings_of(phrase: str, modality: str, body_part: str) -> tuple[str, ...]:
    """Ids of what one phrase of the column `findings` says is there: findings, grade, side.

    None where a word is unknown: half a phrase may mean something else.
    """
    return _findings_of(phrase, modality, body_part, default_vocabulary())


@cache
def _findings_of(
    phrase: str, modality: str, body_part: str, vocabulary: Vocabulary
) -> tuple[str, ...]:
    if phrase.startswith(("finding:", "severity:")):
        return (phrase,)
    if not phrase or phrase.lower() in FIND:
        return tuple(FIND.get(phrase.lower(), ()))
    reading = read_prompt(f"{body_part} {modality}: {phrase}", vocabulary)
    if reading.unknown:
        return ()
    present = [f for f in reading.prompt.findings if f.present]
    said = [(f.concept, f.severity, f.side or reading.prompt.side) for f in present]
    return tuple(c for ids in said for c in ids if c)


def _techniques(words: str, modality: str) -> list[str]:
    found = [concept for pattern, concept in TECH if re.search(pattern, words)]
    after, enhanced = "technique:post-contrast", "technique:contrast-enhanced"
    if modality == "ct":
        return [c for c in found if c != after]
    return [after if c == enhanced and modality == "mri" else c for c in found]


def _age_groups(given: str, years: str) -> list[str]:
    """The group given, or the narrower one of the age in years where they agree."""
    group = [f"age_group:{given}"] if given else []
    if not years.isdigit() or int(years) > OLDEST:
        return group
    of_age = group_of_age(int(years))
    agrees = not given or group[0] in default_vocabulary().implied([of_age])
    return [of_age] if agrees else group


def _one_side(ids: list[str]) -> list[str]:
    """The same with one side: two different ones are both sides."""
    sides = {c for c in ids if c.startswith("side:")}
    if len(sides) < 2:
        return ids
    return [c for c in ids if c not in sides] + ["side:bilateral"]
