"""Shell completion for bash, zsh and fish, made from the table of options."""

from collections.abc import Iterator

from storescp.config.options.rows import Address, Number, Octal, Option, Text, Word
from storescp.config.options.table import GROUPS, options

FILE, DIRECTORY, COMMAND, TEXT = "file", "directory", "command", "text"
WORDS = "="
"""In front of the words that can follow, with commas between them."""

_MADE = "Made by `make docs` from the table in src/storescp/config/options/table.py; change that."


def values_of(option: Option) -> tuple[str, ...]:
    """Return what completes each value of an option: one of the kinds above, or `WORDS` and words."""
    labels = option.values.partition(":")[0].split(", ")
    kinds = []
    for position, kind in enumerate(option.takes):
        match kind:
            case Word():
                kinds.append(WORDS + ",".join(name for name, _ in kind.meanings))
            case Number() | Octal() | Address():
                kinds.append(TEXT)
            case Text():
                kinds.append(_kind(labels[position]))
    return tuple(kinds)


def _kind(label: str) -> str:
    words = label.replace("[", "").replace("]", "").replace("filename", FILE).split()
    return next((kind for kind in (FILE, DIRECTORY, COMMAND) if kind in words), TEXT)


def description(option: Option) -> str:
    """Return what an option does in one line."""
    return " ".join(option.description.split())


def _names(option: Option) -> tuple[str, ...]:
    return (option.long, option.short) if option.short else (option.long,)


def _with_values() -> Iterator[tuple[Option, str]]:
    for option in options():
        if option.takes:
            yield option, " ".join(values_of(option))


def bash() -> str:
    """Return the script for bash 4 and later."""
    names = "\n".join(
        " ".join(
            " ".join(_names(option)) for section in group.sections for option in section.options
        )
        for group in GROUPS
    )
    cases = "\n".join(
        f'        {"|".join(_names(option))}) _storescp_kinds="{kinds}" ;;'
        for option, kinds in _with_values()
    )
    return f"""\
# Completion of storescp's command line for bash. {_MADE}

_storescp_options="
{names}
"

# _storescp_values OPTION: set _storescp_kinds to what completes each of its values.
_storescp_values() {{
    case $1 in
{cases}
        *) _storescp_kinds="" ;;
    esac
}}

_storescp() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} word _storescp_kinds
    local -a words=() kinds=()
    # bash takes the = of +x=, +t= and +g= for a word of its own.
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ $word == "=" && ${{#words[@]}} -gt 0 ]]; then
            words[${{#words[@]}}-1]+="="
        else
            words+=("$word")
        fi
    done
    for word in "${{words[@]}}"; do
        if [[ ${{#kinds[@]}} -gt 0 ]]; then
            kinds=("${{kinds[@]:1}}")
        else
            _storescp_values "$word"
            read -r -a kinds <<< "$_storescp_kinds"
        fi
    done
    COMPREPLY=()
    case ${{kinds[0]-}} in
        {FILE})
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        {DIRECTORY})
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        {COMMAND}) mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
        {WORDS}*)
            word=${{kinds[0]#=}}
            mapfile -t COMPREPLY < <(compgen -W "${{word//,/ }}" -- "$current") ;;
        {TEXT}) ;;
        *)
            case $current in
                [-+]*) mapfile -t COMPREPLY < <(compgen -W "$_storescp_options" -- "$current") ;;
                @*) mapfile -t COMPREPLY < <(compgen -P @ -f -- "${{current#@}}") ;;
            esac ;;
    esac
}}

complete -F _storescp storescp
"""


def zsh() -> str:
    """Return the function for zsh, to be named _storescp."""
    described = "\n".join(
        f"    {_quote(name + ':' + _colons(description(option)))}"
        for option in options()
        for name in _names(option)
    )
    values = "\n".join(
        f"    {_quote(name)} {_quote(kinds)}"
        for option, kinds in _with_values()
        for name in _names(option)
    )
    return f"""\
#compdef storescp
# Completion of storescp's command line for zsh. {_MADE}

local -a storescp_options kinds
local -A storescp_values
local -i position
storescp_options=(
{described}
)
storescp_values=(
{values}
)
for (( position = 2; position < CURRENT; position++ )); do
    if (( $#kinds )); then
        shift kinds
    else
        kinds=( ${{=storescp_values[(e)$words[position]]}} )
    fi
done
case ${{kinds[1]}} in
    {FILE}) _files ;;
    {DIRECTORY}) _files -/ ;;
    {COMMAND}) _command_names -e ;;
    '{WORDS}'*) compadd -- ${{(s:,:)kinds[1]#=}} ;;
    {TEXT}) _message value ;;
    *)
        case $PREFIX in
            [-+]*) _describe -o option storescp_options ;;
            @*) compset -P @; _files ;;
            *) _message 'port, or an option' ;;
        esac ;;
esac
"""


def fish() -> str:
    """Return the script for fish."""
    described = "\n".join(
        f"    echo {_quote_fish(name)}\\t{_quote_fish(description(option))}"
        for option in options()
        for name in _names(option)
    )
    cases = "\n".join(
        f"                case {' '.join(_quote_fish(name) for name in _names(option))}\n"
        f"                    set kinds {kinds}"
        for option, kinds in _with_values()
    )
    return f"""\
# Completion of storescp's command line for fish. {_MADE}

function __storescp_options
{described}
end

# What is to be completed: a kind of value, or an option.
function __storescp_kind
    set -l kinds
    for word in (commandline -opc)[2..]
        if set -q kinds[1]
            set -e kinds[1]
        else
            switch $word
{cases}
            end
        end
    end
    set -q kinds[1]; and echo $kinds[1]; or echo option
end

function __storescp_is
    string match -q -- $argv[1] (__storescp_kind)
end

complete -c storescp -f
complete -c storescp -n '__storescp_is {FILE}' -F
complete -c storescp -n '__storescp_is {DIRECTORY}' -a '(__fish_complete_directories (commandline -ct))'
complete -c storescp -n '__storescp_is {COMMAND}' -a '(__fish_complete_command)'
complete -c storescp -n '__storescp_is "{WORDS}*"' -a '(string split , (string sub -s 2 (__storescp_kind)))'
complete -c storescp -n '__storescp_is option' -a '(__storescp_options)'
"""


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
