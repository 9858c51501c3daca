"""Concept ids of one manifest row: the labels the model is trained on.

Phrases of the manifest are mapped by table; rare ones (fewer than about four images) are left out.
"""

from __future__ import annotations

import re

from radsmith.language.vocabulary import slug

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
    (
        r"contrast ct|contrast-enhanced$|, contrast-enhanced|with contrast|, contrast,",
        "technique:contrast-enhanced",
    ),
    (r"low-dose", "technique:low-dose"),
    (r"convex probe", "technique:convex-probe"),
    (r"linear probe", "technique:linear-probe"),
    (r"head-circumference", "technique:head-circumference-plane"),
    (r"b-mode", "technique:b-mode"),
    (r"digital mammography", "technique:digital-mammography"),
    (r"film mammography", "technique:film-mammography"),
    (r"recombined", "technique:subtracted"),
    (r"angiography", "technique:ct-angiography"),
    (r"steady-state", "technique:steady-state-free-precession"),
    (r"haste|single-shot", "technique:single-shot"),
    (r"fat-suppressed", "technique:fat-suppressed"),
    (r"diffusion", "technique:diffusion-weighted"),
    (r"portable", "technique:portable"),
]
SEX = {"f": "sex:female", "w": "sex:female", "m": "sex:male"}


def concepts_of(row: dict[str, str]) -> tuple[str, ...]:
    """Concept ids of a manifest row, without repeats."""
    ids = ["modality:" + row["modality"]]
    if row["body_part"]:
        ids.append("body_part:" + slug(row["body_part"]))
    ids += VIEW.get(row["view"], [])
    technique = row["technique"].lower()
    for pattern, concept in TECH:
        of_mri = concept == "technique:post-contrast"
        if re.search(pattern, technique) and not (of_mri and row["modality"] == "ct"):
            ids.append(concept)
    for finding in row["findings"].split(";"):
        phrase = finding.strip()
        ids += (
            [phrase]
            if phrase.startswith(("finding:", "severity:"))
            else FIND.get(phrase.lower(), [])
        )
    if row["age_group"]:
        ids.append("age_group:" + row["age_group"])
    if row["sex"].lower() in SEX:
        ids.append(SEX[row["sex"].lower()])
    if row["laterality"] in ("left", "right", "bilateral"):
        ids.append("side:" + row["laterality"])
    return tuple(dict.fromkeys(ids))
