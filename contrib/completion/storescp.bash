# Completion of storescp's command line for bash. Made by `make docs` from the table in src/storescp/config/options/table.py; change that.

_storescp_options="
--help -h --version --arguments --quiet -q --verbose -v --debug -d --log-level -ll --log-config -lc --verbose-pc +v
--single-process --fork --max-associations
--ipv4 -i4 --ipv6 -i6 --ip-auto -i0 --config-file -xf --prefer-uncompr +x= --prefer-little +xe --prefer-big +xb --prefer-lossless +xs --prefer-jpeg8 +xy --prefer-jpeg12 +xx --prefer-j2k-lossless +xv --prefer-j2k-lossy +xw --prefer-jls-lossless +xt --prefer-jls-lossy +xu --prefer-mpeg2 +xm --prefer-mpeg2-high +xh --prefer-mpeg4 +xn --prefer-mpeg4-bd +xl --prefer-mpeg4-2-2d +x2 --prefer-mpeg4-2-3d +x3 --prefer-mpeg4-2-st +xo --prefer-hevc +x4 --prefer-hevc10 +x5 --prefer-rle +xr --prefer-deflated +xd --implicit +xi --accept-all +xa --access-full -ac --access-control +ac --inetd -id --socket-timeout -ts --acse-timeout -ta --dimse-timeout -td --aetitle -aet --max-pdu -pdu --disable-host-lookup -dhl --refuse --reject --ignore --sleep-after --sleep-during --abort-after --abort-during --promiscuous -pm --uid-padding -up
--disable-tls -tls --enable-tls +tls --std-passwd +ps --use-passwd +pw --null-passwd -pw --pem-keys -pem --der-keys -der --add-cert-file +cf --add-cert-dir +cd --add-crl-file +crl --enable-crl-vfy +crv --enable-crl-all +cra --list-profiles +ph --profile-8996 +pg --profile-8996-mod +pm --profile-bcp195-nd +py --profile-bcp195 +px --profile-bcp195-ex +pz --profile-basic +pb --profile-aes +pa --profile-null +pn --list-ciphers +cc --cipher +cs --dhparam +dp --no-sni --expect-sni --seed +rs --write-seed +ws --write-seed-file +wf --require-peer-cert -rc --verify-peer-cert -vc --ignore-peer-cert -ic
--output-directory -od --normal -B --bit-preserving +B --write-file +F --write-dataset -F --write-xfer-same +t= --write-xfer-little +te --write-xfer-big +tb --write-xfer-implicit +ti --write-xfer-deflated +td --enable-new-vr +u --disable-new-vr -u --group-length-recalc +g= --group-length-create +g --group-length-remove -g --length-explicit +e --length-undefined -e --padding-off -p --padding-create +p --retain-un -uc --convert-un +uc --compression-level +cl --sort-conc-studies -ss --sort-on-study-uid -su --sort-on-patientname -sp --default-filenames -uf --unique-filenames +uf --timenames -tn --filename-extension -fe
--exec-on-reception -xcr --exec-on-eostudy -xcs --rename-on-eostudy -rns --eostudy-timeout -tos --exec-sync -xs
--hosts-allow --hosts-deny --fsync --inflate-limit --log-json --log-mask --check --conformance --idle-timeout --max-request-size --max-command-size --max-object-size --min-free-space --peer-associations --peer-connections --user --umask --allow-calling --allow-calling-file --allow-called --allow-called-file --allow-address --allow-address-file --http --http-host --http-token-file --progress --show-identifiers --workers --queue-limit --parallel-studies --state-directory --eostudy-hold --exec-parallel --exec-timeout --exec-attempts --exec-pause --list-failed --retry-failed --events
"

# _storescp_values OPTION: set _storescp_kinds to what completes each of its values.
_storescp_values() {
    case $1 in
        --log-level|-ll) _storescp_kinds="=fatal,error,warn,info,debug,trace,off,all" ;;
        --log-config|-lc) _storescp_kinds="file" ;;
        --max-associations) _storescp_kinds="text" ;;
        --config-file|-xf) _storescp_kinds="file text" ;;
        --socket-timeout|-ts) _storescp_kinds="text" ;;
        --acse-timeout|-ta) _storescp_kinds="text" ;;
        --dimse-timeout|-td) _storescp_kinds="text" ;;
        --aetitle|-aet) _storescp_kinds="text" ;;
        --max-pdu|-pdu) _storescp_kinds="text" ;;
        --sleep-after) _storescp_kinds="text" ;;
        --sleep-during) _storescp_kinds="text" ;;
        --enable-tls|+tls) _storescp_kinds="file file" ;;
        --use-passwd|+pw) _storescp_kinds="text" ;;
        --add-cert-file|+cf) _storescp_kinds="file" ;;
        --add-cert-dir|+cd) _storescp_kinds="directory" ;;
        --add-crl-file|+crl) _storescp_kinds="file" ;;
        --cipher|+cs) _storescp_kinds="text" ;;
        --dhparam|+dp) _storescp_kinds="file" ;;
        --expect-sni) _storescp_kinds="text" ;;
        --seed|+rs) _storescp_kinds="file" ;;
        --write-seed-file|+wf) _storescp_kinds="file" ;;
        --output-directory|-od) _storescp_kinds="directory" ;;
        --padding-create|+p) _storescp_kinds="text text" ;;
        --compression-level|+cl) _storescp_kinds="text" ;;
        --sort-conc-studies|-ss) _storescp_kinds="text" ;;
        --sort-on-study-uid|-su) _storescp_kinds="text" ;;
        --filename-extension|-fe) _storescp_kinds="text" ;;
        --exec-on-reception|-xcr) _storescp_kinds="command" ;;
        --exec-on-eostudy|-xcs) _storescp_kinds="command" ;;
        --eostudy-timeout|-tos) _storescp_kinds="text" ;;
        --hosts-allow) _storescp_kinds="file" ;;
        --hosts-deny) _storescp_kinds="file" ;;
        --inflate-limit) _storescp_kinds="text" ;;
        --log-mask) _storescp_kinds="=patients,peers,uids" ;;
        --idle-timeout) _storescp_kinds="text" ;;
        --max-request-size) _storescp_kinds="text" ;;
        --max-command-size) _storescp_kinds="text" ;;
        --max-object-size) _storescp_kinds="text" ;;
        --min-free-space) _storescp_kinds="text" ;;
        --peer-associations) _storescp_kinds="text" ;;
        --peer-connections) _storescp_kinds="text" ;;
        --user) _storescp_kinds="text" ;;
        --umask) _storescp_kinds="text" ;;
        --allow-calling) _storescp_kinds="text" ;;
        --allow-calling-file) _storescp_kinds="file" ;;
        --allow-called) _storescp_kinds="text" ;;
        --allow-called-file) _storescp_kinds="file" ;;
        --allow-address) _storescp_kinds="text" ;;
        --allow-address-file) _storescp_kinds="file" ;;
        --http) _storescp_kinds="text" ;;
        --http-host) _storescp_kinds="text" ;;
        --http-token-file) _storescp_kinds="file" ;;
        --workers) _storescp_kinds="text" ;;
        --queue-limit) _storescp_kinds="text" ;;
        --state-directory) _storescp_kinds="directory" ;;
        --eostudy-hold) _storescp_kinds="text" ;;
        --exec-parallel) _storescp_kinds="text" ;;
        --exec-timeout) _storescp_kinds="text" ;;
        --exec-attempts) _storescp_kinds="text" ;;
        --exec-pause) _storescp_kinds="text" ;;
        --list-failed) _storescp_kinds="directory" ;;
        --retry-failed) _storescp_kinds="directory" ;;
        --events) _storescp_kinds="file" ;;
        *) _storescp_kinds="" ;;
    esac
}

_storescp() {
    local current=${COMP_WORDS[COMP_CWORD]} word _storescp_kinds
    local -a words=() kinds=()
    # bash takes the = of +x=, +t= and +g= for a word of its own.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $word == "=" && ${#words[@]} -gt 0 ]]; then
            words[${#words[@]}-1]+="="
        else
            words+=("$word")
        fi
    done
    for word in "${words[@]}"; do
        if [[ ${#kinds[@]} -gt 0 ]]; then
            kinds=("${kinds[@]:1}")
        else
            _storescp_values "$word"
            read -r -a kinds <<< "$_storescp_kinds"
        fi
    done
    COMPREPLY=()
    case ${kinds[0]-} in
        file)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        directory)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        command) mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
        =*)
            word=${kinds[0]#=}
            mapfile -t COMPREPLY < <(compgen -W "${word//,/ }" -- "$current") ;;
        text) ;;
        *)
            case $current in
                [-+]*) mapfile -t COMPREPLY < <(compgen -W "$_storescp_options" -- "$current") ;;
                @*) mapfile -t COMPREPLY < <(compgen -P @ -f -- "${current#@}") ;;
            esac ;;
    esac
}

complete -F _storescp storescp
