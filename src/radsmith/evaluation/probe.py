"""The paper's protocol: 17 plain prompts, some images each, judged.

What DALL-E 2 was asked by Adams et al. (JMIR 2023), so that any engine can be asked the same.
Concepts an engine never learned are named as such, not left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radsmith.engines.engine import Engine
from radsmith.evaluation.judge import Judge
from radsmith.generation.plan import WEAK, Plan, make, plan, simulated_notes
from radsmith.images.image import Image
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.images.stored import Stored

RADIOGRAPHS = ("head", "chest", "shoulder", "abdomen", "pelvis", "hand", "knee", "ankle")
SLICES = tuple((m, o) for m in ("MRI", "CT", "ultrasound") for o in ("heart", "liver", "kidney"))
PROMPTS = (
    *(f"An x-ray of the {part}" for part in RADIOGRAPHS),
    *(f"{modality} of the {organ}" for modality, organ in SLICES),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one prompt.

    modality, body_part: for each image, what the judge says.  known: whether the judge can name
    what was asked for.  training_images: of this body part in this modality, None
    where nobody knows.  simulated: whether no machine took most of them.
    """

    plan: Plan
    images: Sequence[tuple[Image, Generation]]
    modality: Sequence[str]
    body_part: Sequence[str]
    known: bool
    training_images: int | None
    simulated: bool = False

    @property
    def right(self) -> int:
        """Images of which the judge names both modality and body part as asked."""
        asked = (self.plan.prompt.modality, self.plan.prompt.body_part)
        return sum(pair == asked for pair in zip(self.modality, self.body_part, strict=True))

    @property
    def standing(self) -> str:
        """How well the engine learned this: "learned", "weak", "never learned" or "unknown"; or
        "simulated", where no machine took most of what it learned of."""
        if self.training_images is None:
            return "unknown"
        if self.training_images == 0:
            return "never learned"
        if self.training_images < WEAK:
            return "weak"
        return "simulated" if self.simulated else "learned"


def probe(
    engine: Engine,
    judge: Judge,
    each: int,
    settings: Settings,
    seed: int,
    created: str,
    progress: Callable[[str], None] = lambda prompt: None,
) -> list[Answer]:
    """Ask all PROMPTS, `each` images a prompt with seeds from `seed` on."""
    answers = []
    for text in PROMPTS:
        planned = plan(text, engine.facts)
        made = []
        for number in range(seed, seed + each):
            request = Request(prompt=text, seed=number, settings=settings)
            made.append(make(engine, planned, request, created))
            progress(text)
        judged = judge.judge(Stored(image.pixels for image, _ in made))
        asked = (planned.prompt.modality, planned.prompt.body_part)
        answers.append(
            Answer(
                plan=planned,
                images=made,
                modality=judged.best("modality"),
                body_part=judged.best("body_part"),
                known=all(c is not None and judge.knows(c) for c in asked),
                training_images=engine.facts.count(*map(str, asked)),
                simulated=any(simulated_notes(planned.prompt, engine.facts)),
            )
        )
    return answers
