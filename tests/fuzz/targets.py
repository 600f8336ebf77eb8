"""All targets, by name."""

from tests.fuzz import connections, data_sets, files, http, messages, upper_layer
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        upper_layer.PDUS,
        upper_layer.ASSOCIATIONS,
        messages.COMMANDS,
        messages.MESSAGES,
        data_sets.DATA_SETS,
        connections.CONNECTIONS,
        files.PROFILES,
        files.LOGGING,
        files.DICTIONARIES,
        files.ACCESS_RULES,
        files.COMMAND_FILES,
        files.ALLOW_LISTS,
        http.HTTP,
    )
}
