# Completion of storescp's command line for fish. Made by `make docs` from the table in src/storescp/config/options/table.py; change that.

function __storescp_options
    echo '--help'\t'print this help text and exit'
    echo '-h'\t'print this help text and exit'
    echo '--version'\t'print version information and exit'
    echo '--arguments'\t'print expanded command line arguments'
    echo '--quiet'\t'quiet mode, print no warnings and errors'
    echo '-q'\t'quiet mode, print no warnings and errors'
    echo '--verbose'\t'verbose mode, print processing details'
    echo '-v'\t'verbose mode, print processing details'
    echo '--debug'\t'debug mode, print debug information'
    echo '-d'\t'debug mode, print debug information'
    echo '--log-level'\t'use level l for the logger'
    echo '-ll'\t'use level l for the logger'
    echo '--log-config'\t'use config file f for the logger'
    echo '-lc'\t'use config file f for the logger'
    echo '--verbose-pc'\t'show presentation contexts in verbose mode'
    echo '+v'\t'show presentation contexts in verbose mode'
    echo '--single-process'\t'single process mode (default)'
    echo '--fork'\t'fork child process for each association'
    echo '--max-associations'\t'limit number of parallel associations to m'
    echo '--ipv4'\t'use IPv4 only (default)'
    echo '-i4'\t'use IPv4 only (default)'
    echo '--ipv6'\t'use IPv6 only'
    echo '-i6'\t'use IPv6 only'
    echo '--ip-auto'\t'use IPv6/IPv4 dual stack'
    echo '-i0'\t'use IPv6/IPv4 dual stack'
    echo '--config-file'\t'use profile p from config file f'
    echo '-xf'\t'use profile p from config file f'
    echo '--prefer-uncompr'\t'prefer explicit VR local byte order (default)'
    echo '+x='\t'prefer explicit VR local byte order (default)'
    echo '--prefer-little'\t'prefer explicit VR little endian TS'
    echo '+xe'\t'prefer explicit VR little endian TS'
    echo '--prefer-big'\t'prefer explicit VR big endian TS'
    echo '+xb'\t'prefer explicit VR big endian TS'
    echo '--prefer-lossless'\t'prefer default JPEG lossless TS'
    echo '+xs'\t'prefer default JPEG lossless TS'
    echo '--prefer-jpeg8'\t'prefer default JPEG lossy TS for 8 bit data'
    echo '+xy'\t'prefer default JPEG lossy TS for 8 bit data'
    echo '--prefer-jpeg12'\t'prefer default JPEG lossy TS for 12 bit data'
    echo '+xx'\t'prefer default JPEG lossy TS for 12 bit data'
    echo '--prefer-j2k-lossless'\t'prefer JPEG 2000 lossless TS'
    echo '+xv'\t'prefer JPEG 2000 lossless TS'
    echo '--prefer-j2k-lossy'\t'prefer JPEG 2000 lossy TS'
    echo '+xw'\t'prefer JPEG 2000 lossy TS'
    echo '--prefer-jls-lossless'\t'prefer JPEG-LS lossless TS'
    echo '+xt'\t'prefer JPEG-LS lossless TS'
    echo '--prefer-jls-lossy'\t'prefer JPEG-LS lossy TS'
    echo '+xu'\t'prefer JPEG-LS lossy TS'
    echo '--prefer-mpeg2'\t'prefer MPEG2 Main Profile @ Main Level TS'
    echo '+xm'\t'prefer MPEG2 Main Profile @ Main Level TS'
    echo '--prefer-mpeg2-high'\t'prefer MPEG2 Main Profile @ High Level TS'
    echo '+xh'\t'prefer MPEG2 Main Profile @ High Level TS'
    echo '--prefer-mpeg4'\t'prefer MPEG4 AVC/H.264 HP / Level 4.1 TS'
    echo '+xn'\t'prefer MPEG4 AVC/H.264 HP / Level 4.1 TS'
    echo '--prefer-mpeg4-bd'\t'prefer MPEG4 AVC/H.264 BD-compatible TS'
    echo '+xl'\t'prefer MPEG4 AVC/H.264 BD-compatible TS'
    echo '--prefer-mpeg4-2-2d'\t'prefer MPEG4 AVC/H.264 HP / Level 4.2 TS (2D)'
    echo '+x2'\t'prefer MPEG4 AVC/H.264 HP / Level 4.2 TS (2D)'
    echo '--prefer-mpeg4-2-3d'\t'prefer MPEG4 AVC/H.264 HP / Level 4.2 TS (3D)'
    echo '+x3'\t'prefer MPEG4 AVC/H.264 HP / Level 4.2 TS (3D)'
    echo '--prefer-mpeg4-2-st'\t'prefer MPEG4 AVC/H.264 Stereo HP / Level 4.2 TS'
    echo '+xo'\t'prefer MPEG4 AVC/H.264 Stereo HP / Level 4.2 TS'
    echo '--prefer-hevc'\t'prefer HEVC/H.265 Main Profile / Level 5.1 TS'
    echo '+x4'\t'prefer HEVC/H.265 Main Profile / Level 5.1 TS'
    echo '--prefer-hevc10'\t'prefer HEVC/H.265 Main 10 Profile / L5.1 TS'
    echo '+x5'\t'prefer HEVC/H.265 Main 10 Profile / L5.1 TS'
    echo '--prefer-rle'\t'prefer RLE lossless TS'
    echo '+xr'\t'prefer RLE lossless TS'
    echo '--prefer-deflated'\t'prefer deflated expl. VR little endian TS'
    echo '+xd'\t'prefer deflated expl. VR little endian TS'
    echo '--implicit'\t'accept implicit VR little endian TS only'
    echo '+xi'\t'accept implicit VR little endian TS only'
    echo '--accept-all'\t'accept all supported transfer syntaxes'
    echo '+xa'\t'accept all supported transfer syntaxes'
    echo '--access-full'\t'accept connections from any host (default)'
    echo '-ac'\t'accept connections from any host (default)'
    echo '--access-control'\t'enforce host access control rules'
    echo '+ac'\t'enforce host access control rules'
    echo '--inetd'\t'run from inetd super server (not with --fork)'
    echo '-id'\t'run from inetd super server (not with --fork)'
    echo '--socket-timeout'\t'timeout for network socket (0 for none)'
    echo '-ts'\t'timeout for network socket (0 for none)'
    echo '--acse-timeout'\t'timeout for ACSE messages'
    echo '-ta'\t'timeout for ACSE messages'
    echo '--dimse-timeout'\t'timeout for DIMSE messages'
    echo '-td'\t'timeout for DIMSE messages'
    echo '--aetitle'\t'set my AE title (default: STORESCP)'
    echo '-aet'\t'set my AE title (default: STORESCP)'
    echo '--max-pdu'\t'set max receive pdu to n bytes (default: 16384)'
    echo '-pdu'\t'set max receive pdu to n bytes (default: 16384)'
    echo '--disable-host-lookup'\t'disable hostname lookup'
    echo '-dhl'\t'disable hostname lookup'
    echo '--refuse'\t'refuse association'
    echo '--reject'\t'reject association if no implement. class UID'
    echo '--ignore'\t'ignore store data, receive but do not store'
    echo '--sleep-after'\t'sleep s seconds after store (default: 0)'
    echo '--sleep-during'\t'sleep s seconds during store (default: 0)'
    echo '--abort-after'\t'abort association after receipt of C-STORE-RQ (but before sending response)'
    echo '--abort-during'\t'abort association during receipt of C-STORE-RQ'
    echo '--promiscuous'\t'promiscuous mode, accept unknown SOP classes (not with --config-file)'
    echo '-pm'\t'promiscuous mode, accept unknown SOP classes (not with --config-file)'
    echo '--uid-padding'\t'silently correct space-padded UIDs'
    echo '-up'\t'silently correct space-padded UIDs'
    echo '--disable-tls'\t'use normal TCP/IP connection (default)'
    echo '-tls'\t'use normal TCP/IP connection (default)'
    echo '--enable-tls'\t'use authenticated secure TLS connection'
    echo '+tls'\t'use authenticated secure TLS connection'
    echo '--std-passwd'\t'prompt user to type password on stdin (default)'
    echo '+ps'\t'prompt user to type password on stdin (default)'
    echo '--use-passwd'\t'use specified password'
    echo '+pw'\t'use specified password'
    echo '--null-passwd'\t'use empty string as password'
    echo '-pw'\t'use empty string as password'
    echo '--pem-keys'\t'read keys and certs as PEM file (default)'
    echo '-pem'\t'read keys and certs as PEM file (default)'
    echo '--der-keys'\t'read keys and certificates as DER file'
    echo '-der'\t'read keys and certificates as DER file'
    echo '--add-cert-file'\t'add certificate file to list of certificates'
    echo '+cf'\t'add certificate file to list of certificates'
    echo '--add-cert-dir'\t'add certificates in d to list of certificates'
    echo '+cd'\t'add certificates in d to list of certificates'
    echo '--add-crl-file'\t'add certificate revocation list file (implies --enable-crl-vfy)'
    echo '+crl'\t'add certificate revocation list file (implies --enable-crl-vfy)'
    echo '--enable-crl-vfy'\t'enable leaf CRL verification'
    echo '+crv'\t'enable leaf CRL verification'
    echo '--enable-crl-all'\t'enable full chain CRL verification'
    echo '+cra'\t'enable full chain CRL verification'
    echo '--list-profiles'\t'list supported TLS profiles and exit'
    echo '+ph'\t'list supported TLS profiles and exit'
    echo '--profile-8996'\t'BCP 195 RFC 8996 TLS Profile (default)'
    echo '+pg'\t'BCP 195 RFC 8996 TLS Profile (default)'
    echo '--profile-8996-mod'\t'Modified BCP 195 RFC 8996 TLS Profile'
    echo '+pm'\t'Modified BCP 195 RFC 8996 TLS Profile'
    echo '--profile-bcp195-nd'\t'Non-downgrading BCP 195 TLS Profile (retired)'
    echo '+py'\t'Non-downgrading BCP 195 TLS Profile (retired)'
    echo '--profile-bcp195'\t'BCP 195 TLS Profile (retired)'
    echo '+px'\t'BCP 195 TLS Profile (retired)'
    echo '--profile-bcp195-ex'\t'Extended BCP 195 TLS Profile (retired)'
    echo '+pz'\t'Extended BCP 195 TLS Profile (retired)'
    echo '--profile-basic'\t'Basic TLS Secure Transport Connection Profile (retired)'
    echo '+pb'\t'Basic TLS Secure Transport Connection Profile (retired)'
    echo '--profile-aes'\t'AES TLS Secure Transport Connection Profile (retired)'
    echo '+pa'\t'AES TLS Secure Transport Connection Profile (retired)'
    echo '--profile-null'\t'Authenticated unencrypted communication (retired, was used in IHE ATNA)'
    echo '+pn'\t'Authenticated unencrypted communication (retired, was used in IHE ATNA)'
    echo '--list-ciphers'\t'list supported TLS ciphersuites and exit'
    echo '+cc'\t'list supported TLS ciphersuites and exit'
    echo '--cipher'\t'add ciphersuite to list of negotiated suites (not with --profile-bcp195-ex)'
    echo '+cs'\t'add ciphersuite to list of negotiated suites (not with --profile-bcp195-ex)'
    echo '--dhparam'\t'read DH parameters for DH/DSS ciphersuites'
    echo '+dp'\t'read DH parameters for DH/DSS ciphersuites'
    echo '--no-sni'\t'do not use SNI (default)'
    echo '--expect-sni'\t'expect requests for server name s'
    echo '--seed'\t'seed random generator with contents of f'
    echo '+rs'\t'seed random generator with contents of f'
    echo '--write-seed'\t'write back modified seed (only with --seed)'
    echo '+ws'\t'write back modified seed (only with --seed)'
    echo '--write-seed-file'\t'write modified seed to file f'
    echo '+wf'\t'write modified seed to file f'
    echo '--require-peer-cert'\t'verify peer cert, fail if absent (default)'
    echo '-rc'\t'verify peer cert, fail if absent (default)'
    echo '--verify-peer-cert'\t'verify peer certificate if present'
    echo '-vc'\t'verify peer certificate if present'
    echo '--ignore-peer-cert'\t'don\'t verify peer certificate'
    echo '-ic'\t'don\'t verify peer certificate'
    echo '--output-directory'\t'write received objects to existing directory d'
    echo '-od'\t'write received objects to existing directory d'
    echo '--normal'\t'allow implicit format conversions (default)'
    echo '-B'\t'allow implicit format conversions (default)'
    echo '--bit-preserving'\t'write data exactly as read'
    echo '+B'\t'write data exactly as read'
    echo '--write-file'\t'write file format (default)'
    echo '+F'\t'write file format (default)'
    echo '--write-dataset'\t'write data set without file meta information'
    echo '-F'\t'write data set without file meta information'
    echo '--write-xfer-same'\t'write with same TS as input (default)'
    echo '+t='\t'write with same TS as input (default)'
    echo '--write-xfer-little'\t'write with explicit VR little endian TS'
    echo '+te'\t'write with explicit VR little endian TS'
    echo '--write-xfer-big'\t'write with explicit VR big endian TS'
    echo '+tb'\t'write with explicit VR big endian TS'
    echo '--write-xfer-implicit'\t'write with implicit VR little endian TS'
    echo '+ti'\t'write with implicit VR little endian TS'
    echo '--write-xfer-deflated'\t'write with deflated expl. VR little endian TS'
    echo '+td'\t'write with deflated expl. VR little endian TS'
    echo '--enable-new-vr'\t'enable support for new VRs (UN/UT) (default)'
    echo '+u'\t'enable support for new VRs (UN/UT) (default)'
    echo '--disable-new-vr'\t'disable support for new VRs, convert to OB'
    echo '-u'\t'disable support for new VRs, convert to OB'
    echo '--group-length-recalc'\t'recalculate group lengths if present (default)'
    echo '+g='\t'recalculate group lengths if present (default)'
    echo '--group-length-create'\t'always write with group length elements'
    echo '+g'\t'always write with group length elements'
    echo '--group-length-remove'\t'always write without group length elements'
    echo '-g'\t'always write without group length elements'
    echo '--length-explicit'\t'write with explicit lengths (default)'
    echo '+e'\t'write with explicit lengths (default)'
    echo '--length-undefined'\t'write with undefined lengths'
    echo '-e'\t'write with undefined lengths'
    echo '--padding-off'\t'no padding (default)'
    echo '-p'\t'no padding (default)'
    echo '--padding-create'\t'align file on multiple of f bytes and items on multiple of i bytes'
    echo '+p'\t'align file on multiple of f bytes and items on multiple of i bytes'
    echo '--retain-un'\t'retain elements as UN (default)'
    echo '-uc'\t'retain elements as UN (default)'
    echo '--convert-un'\t'convert to real VR if known'
    echo '+uc'\t'convert to real VR if known'
    echo '--compression-level'\t'0=uncompressed, 1=fastest, 9=best compression'
    echo '+cl'\t'0=uncompressed, 1=fastest, 9=best compression'
    echo '--sort-conc-studies'\t'sort studies using prefix p and a timestamp'
    echo '-ss'\t'sort studies using prefix p and a timestamp'
    echo '--sort-on-study-uid'\t'sort studies using prefix p and the Study Instance UID'
    echo '-su'\t'sort studies using prefix p and the Study Instance UID'
    echo '--sort-on-patientname'\t'sort studies using the Patient\'s Name and a timestamp'
    echo '-sp'\t'sort studies using the Patient\'s Name and a timestamp'
    echo '--default-filenames'\t'generate filename from instance UID (default)'
    echo '-uf'\t'generate filename from instance UID (default)'
    echo '--unique-filenames'\t'generate unique filenames'
    echo '+uf'\t'generate unique filenames'
    echo '--timenames'\t'generate filename from creation time'
    echo '-tn'\t'generate filename from creation time'
    echo '--filename-extension'\t'append e to all filenames'
    echo '-fe'\t'append e to all filenames'
    echo '--exec-on-reception'\t'execute command c after having received and processed one C-STORE-RQ message'
    echo '-xcr'\t'execute command c after having received and processed one C-STORE-RQ message'
    echo '--exec-on-eostudy'\t'execute command c after having received and processed all C-STORE-RQ messages that belong to one study'
    echo '-xcs'\t'execute command c after having received and processed all C-STORE-RQ messages that belong to one study'
    echo '--rename-on-eostudy'\t'having received and processed all C-STORE-RQ messages that belong to one study, rename output files according to certain pattern'
    echo '-rns'\t'having received and processed all C-STORE-RQ messages that belong to one study, rename output files according to certain pattern'
    echo '--eostudy-timeout'\t'specifies a timeout of t seconds for end-of-study determination'
    echo '-tos'\t'specifies a timeout of t seconds for end-of-study determination'
    echo '--exec-sync'\t'execute command synchronously in foreground'
    echo '-xs'\t'execute command synchronously in foreground'
    echo '--hosts-allow'\t'read allow rules from f instead of /etc/hosts.allow (only with --access-control)'
    echo '--hosts-deny'\t'read deny rules from f instead of /etc/hosts.deny (only with --access-control)'
    echo '--fsync'\t'flush file and directory to disk before sending success'
    echo '--inflate-limit'\t'refuse deflated data sets that inflate to more than m megabytes'
    echo '--log-json'\t'write the log as JSON, one object per line'
    echo '--log-mask'\t'mask identifiers in the JSON log'
    echo '--check'\t'check that everything the other options need is available, and exit'
    echo '--conformance'\t'print the DICOM Conformance Statement for the other options, and exit'
    echo '--idle-timeout'\t'abort associations that are idle for s seconds (0 for none; default: as --socket-timeout, and none with --eostudy-timeout)'
    echo '--max-request-size'\t'limit association requests to b bytes'
    echo '--max-command-size'\t'limit command sets to b bytes'
    echo '--max-object-size'\t'refuse objects whose file would be larger than m megabytes'
    echo '--min-free-space'\t'refuse objects while less than m megabytes are free in the output directory\'s file system'
    echo '--peer-associations'\t'limit number of parallel associations of one address to m (only with --fork or --workers)'
    echo '--peer-connections'\t'limit number of connections of one address to m'
    echo '--user'\t'change to user u and group g once the port is open'
    echo '--umask'\t'remove permissions m from all created files'
    echo '--allow-calling'\t'let calling AE title a associate'
    echo '--allow-calling-file'\t'let the calling AE titles in f associate'
    echo '--allow-called'\t'answer to called AE title a'
    echo '--allow-called-file'\t'answer to the called AE titles in f'
    echo '--allow-address'\t'let address or network a connect'
    echo '--allow-address-file'\t'let the addresses and networks in f connect'
    echo '--http'\t'serve a status page, metrics and JSON on address a (default: 127.0.0.1), port p'
    echo '--http-host'\t'also accept requests with Host: n'
    echo '--http-token-file'\t'require the bearer token in file f for status data'
    echo '--progress'\t'show on standard error what is being received, live if it is a terminal'
    echo '--show-identifiers'\t'also show names of patients, UIDs and directories'
    echo '--workers'\t'serve up to n associations at once, in n processes'
    echo '--queue-limit'\t'reject peers while n others wait for a worker'
    echo '--parallel-studies'\t'end each study independently of others (always with --workers and --state-directory)'
    echo '--state-directory'\t'keep studies and commands in d across restarts'
    echo '--eostudy-hold'\t'end a study s seconds after its last object even if an association that sent objects of it is still open'
    echo '--exec-parallel'\t'run up to n commands at once'
    echo '--exec-timeout'\t'end commands that run for more than s seconds'
    echo '--exec-attempts'\t'start a failing command up to n times'
    echo '--exec-pause'\t'restart it after s seconds, then after twice as long each time, up to an hour'
    echo '--list-failed'\t'print the commands in state directory d that were given up, and exit'
    echo '--retry-failed'\t'start these commands again, in the running receiver or at its next start, and exit'
    echo '--events'\t'write events to f, one JSON object per line (-: standard output)'
end

# What is to be completed: a kind of value, or an option.
function __storescp_kind
    set -l kinds
    for word in (commandline -opc)[2..]
        if set -q kinds[1]
            set -e kinds[1]
        else
            switch $word
                case '--log-level' '-ll'
                    set kinds =fatal,error,warn,info,debug,trace,off,all
                case '--log-config' '-lc'
                    set kinds file
                case '--max-associations'
                    set kinds text
                case '--config-file' '-xf'
                    set kinds file text
                case '--socket-timeout' '-ts'
                    set kinds text
                case '--acse-timeout' '-ta'
                    set kinds text
                case '--dimse-timeout' '-td'
                    set kinds text
                case '--aetitle' '-aet'
                    set kinds text
                case '--max-pdu' '-pdu'
                    set kinds text
                case '--sleep-after'
                    set kinds text
                case '--sleep-during'
                    set kinds text
                case '--enable-tls' '+tls'
                    set kinds file file
                case '--use-passwd' '+pw'
                    set kinds text
                case '--add-cert-file' '+cf'
                    set kinds file
                case '--add-cert-dir' '+cd'
                    set kinds directory
                case '--add-crl-file' '+crl'
                    set kinds file
                case '--cipher' '+cs'
                    set kinds text
                case '--dhparam' '+dp'
                    set kinds file
                case '--expect-sni'
                    set kinds text
                case '--seed' '+rs'
                    set kinds file
                case '--write-seed-file' '+wf'
                    set kinds file
                case '--output-directory' '-od'
                    set kinds directory
                case '--padding-create' '+p'
                    set kinds text text
                case '--compression-level' '+cl'
                    set kinds text
                case '--sort-conc-studies' '-ss'
                    set kinds text
                case '--sort-on-study-uid' '-su'
                    set kinds text
                case '--filename-extension' '-fe'
                    set kinds text
                case '--exec-on-reception' '-xcr'
                    set kinds command
                case '--exec-on-eostudy' '-xcs'
                    set kinds command
                case '--eostudy-timeout' '-tos'
                    set kinds text
                case '--hosts-allow'
                    set kinds file
                case '--hosts-deny'
                    set kinds file
                case '--inflate-limit'
                    set kinds text
                case '--log-mask'
                    set kinds =patients,peers,uids
                case '--idle-timeout'
                    set kinds text
                case '--max-request-size'
                    set kinds text
                case '--max-command-size'
                    set kinds text
                case '--max-object-size'
                    set kinds text
                case '--min-free-space'
                    set kinds text
                case '--peer-associations'
                    set kinds text
                case '--peer-connections'
                    set kinds text
                case '--user'
                    set kinds text
                case '--umask'
                    set kinds text
                case '--allow-calling'
                    set kinds text
                case '--allow-calling-file'
                    set kinds file
                case '--allow-called'
                    set kinds text
                case '--allow-called-file'
                    set kinds file
                case '--allow-address'
                    set kinds text
                case '--allow-address-file'
                    set kinds file
                case '--http'
                    set kinds text
                case '--http-host'
                    set kinds text
                case '--http-token-file'
                    set kinds file
                case '--workers'
                    set kinds text
                case '--queue-limit'
                    set kinds text
                case '--state-directory'
                    set kinds directory
                case '--eostudy-hold'
                    set kinds text
                case '--exec-parallel'
                    set kinds text
                case '--exec-timeout'
                    set kinds text
                case '--exec-attempts'
                    set kinds text
                case '--exec-pause'
                    set kinds text
                case '--list-failed'
                    set kinds directory
                case '--retry-failed'
                    set kinds directory
                case '--events'
                    set kinds file
            end
        end
    end
    set -q kinds[1]; and echo $kinds[1]; or echo option
end

function __storescp_is
    string match -q -- $argv[1] (__storescp_kind)
end

complete -c storescp -f
complete -c storescp -n '__storescp_is file' -F
complete -c storescp -n '__storescp_is directory' -a '(__fish_complete_directories (commandline -ct))'
complete -c storescp -n '__storescp_is command' -a '(__fish_complete_command)'
complete -c storescp -n '__storescp_is "=*"' -a '(string split , (string sub -s 2 (__storescp_kind)))'
complete -c storescp -n '__storescp_is option' -a '(__storescp_options)'
