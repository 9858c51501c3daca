"""The studies that a server offers, and who asks for them."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Any

from fastapi import Depends, Request

from radsmith.errors import InvalidInput, NotFound
from radsmith.review.desk import Desk
from radsmith.review.study import open_study
from radsmith.review.summary import summary
from radsmith.server.review.people import LOCAL, People, Person
from radsmith.server.web.page import address_of
from radsmith.server.web.problem import Problem
from radsmith.server.web.rates import Rates
from radsmith.server.web.services import Services

COOKIE = "radsmith_review"
HEADER = "x-radsmith-request"
"""Pages of other sites cannot send it; every change must carry it."""
LOGINS_OF_NAME, LOGINS_OF_ADDRESS = 6, 30
"""Most tries a minute: a hospital's readers may share one address."""
FIGURES_S = 5.0
"""Figures are reckoned anew at most this often."""


class Reviews:
    """The desks of the server's studies, by the names of their folders."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.people = People(services.store.database)
        self.logins_of_name = Rates(LOGINS_OF_NAME)
        self.logins_of_address = Rates(LOGINS_OF_ADDRESS)
        self.desks: dict[str, Desk] = {}
        for folder in services.settings.studies:
            name = folder.resolve().name
            if name in self.desks:
                raise InvalidInput(f"two studies are named {name}: rename one of the folders")
            self.desks[name] = Desk(open_study(folder))
        self._figures: dict[str, tuple[str, float, dict[str, Any]]] = {}
        self._reckoning = threading.Lock()

    def desk(self, study: str) -> Desk:
        """Raises NotFound."""
        if study not in self.desks:
            raise NotFound("no such study on this server")
        return self.desks[study]

    def person(self, token: str) -> Person | None:
        """Who has this session; the local person where no accounts are needed."""
        if token:
            return self.people.of_session(token)
        return LOCAL if self.open_to_all else None

    @property
    def open_to_all(self) -> bool:
        """Whether whoever reaches the server is the person at this machine."""
        return not self.services.settings.exposed and not self.people.any()

    def figures(self, study: str) -> dict[str, Any]:
        """The figures of the report, as they were seconds ago at most."""
        desk = self.desk(study)
        with self._reckoning:
            state, now_at = desk.snapshot()
            head, at, found = self._figures.get(study, ("", 0.0, {}))
            if head != now_at and time.monotonic() - at > FIGURES_S:
                found = summary(desk.study, state, now_at)
                self._figures[study] = now_at, time.monotonic(), found
            return found


def reviews_of(request: Request) -> Reviews:
    """The server's studies."""
    reviews: Reviews = request.app.state.reviews
    return reviews


ReviewsDep = Annotated[Reviews, Depends(reviews_of)]


def caller(request: Request, reviews: ReviewsDep) -> Person:
    """Who asks. Raises Problem 401 without a session, 403 for a change that a page elsewhere may
    have asked for, 429 for too many requests."""
    if request.method not in ("GET", "HEAD") and HEADER not in request.headers:
        raise Problem(403, "the request's header is missing", code="bad_token")
    person = reviews.person(request.cookies.get(COOKIE, ""))
    if person is None:
        reviews.services.rates.take(f"review {address_of(request)}")
        raise Problem(401, "sign in first", code="no_session")
    reviews.services.rates.take(f"review {person.id}")
    return person


Caller = Annotated[Person, Depends(caller)]


def allowed(person: Person, *roles: str) -> None:
    """Raise Problem 403 where a person has none of these roles."""
    if person.role not in roles:
        raise Problem(403, f"this is for {', '.join(roles)} alone", code="not_allowed")
