"""What is known of a server from its first moment: how it was started, and who may come in."""

from __future__ import annotations

from functools import cached_property

from radsmith.engines.choice import model_name, settings_for
from radsmith.images.provenance import Settings
from radsmith.server.store.audit import Audit
from radsmith.server.store.keys import Keys
from radsmith.server.store.settings import ServerSettings
from radsmith.server.store.signing import Signer
from radsmith.server.store.store import Store
from radsmith.server.web.rates import Rates


class Door:
    """model: its name.  remote: whether it draws elsewhere, so that prompts and pixels go there.
    usual: steps and guidance where none are asked for.

    Raises NotFound or InvalidInput where the engine is not there.
    """

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.model = model_name(settings.engine)
        self.remote = str(settings.engine).startswith("openai:")
        self.usual: Settings = settings_for(settings.engine, None, None)
        self.keys = Keys(store.database)
        self.audit = Audit(store.database)
        self.rates = Rates(settings.limits.requests_per_minute)

    @cached_property
    def signer(self) -> Signer:
        """Signs addresses and sessions."""
        return self.store.signer
