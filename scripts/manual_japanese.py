"""The Japanese manual page storescp(1): the same options as the English one, with texts of its own for each.

Names, values, defaults, limits and conditions come from the table of options; what is written here are words.
"""

import re
from collections.abc import Iterator

from scripts.manual import option_names, roff, values_in_italics
from storescp import __version__
from storescp.config.options.rows import Number, Octal, Option
from storescp.config.options.rows import Section as OptionSection
from storescp.config.options.table import GROUPS
from storescp.config.options.table import option_names as names_in_condition
from storescp.config.usage import IDENTIFICATION

TITLES = {
    "general options:": "全般オプション",
    "multi-process options:": "マルチプロセスオプション",
    "network options:": "ネットワークオプション",
    "transport layer security (TLS) options:": "トランスポート層セキュリティ(TLS)オプション",
    "output options:": "出力オプション",
    "event options:": "イベントオプション",
    "extensions of this implementation:": "本実装で拡張したオプション",
    "IP protocol version:": "IP プロトコルのバージョン",
    "association negotiation profile from configuration file:": "設定ファイルのアソシエーションネゴシエーションプロファイル",
    "preferred network transfer syntaxes (not with --config-file):": "優先する転送構文(--config-file とは併用不可)",
    "network host access control (tcp wrapper):": "ホスト単位のアクセス制御(TCP wrapper)",
    "other network options:": "その他のネットワークオプション",
    "transport protocol stack:": "トランスポートプロトコル",
    "private key password (only with --enable-tls):": "秘密鍵のパスワード(--enable-tls と併用時のみ)",
    "key and certificate file format:": "鍵と証明書のファイル形式",
    "certification authority:": "認証局",
    "security profile:": "セキュリティプロファイル",
    "ciphersuite:": "暗号スイート",
    "server name indication:": "サーバ名表示(SNI)",
    "pseudo random generator:": "擬似乱数生成器",
    "peer authentication:": "通信相手の認証",
    "general:": "全般",
    "bit preserving mode:": "ビット保存モード",
    "output file format:": "出力ファイルの形式",
    "output transfer syntax (not with --bit-preserving or compressed transmission):": "出力の転送構文(--bit-preserving および圧縮転送とは併用不可)",
    "post-1993 value representations (not with --bit-preserving):": "1993 年より後に加わった値表現(VR)(--bit-preserving とは併用不可)",
    "group length encoding (not with --bit-preserving):": "グループ長の書き方(--bit-preserving とは併用不可)",
    "length encoding in sequences and items (not with --bit-preserving):": "シーケンスとアイテムの長さの書き方(--bit-preserving とは併用不可)",
    "data set trailing padding (not with --write-dataset or --bit-preserving):": "データセット末尾のパディング(--write-dataset および --bit-preserving とは併用不可)",
    "handling of defined length UN elements:": "長さが確定した UN 要素の扱い",
    "deflate compression level (only with --write-xfer-deflated/same):": "deflate の圧縮レベル(--write-xfer-deflated/same と併用時のみ)",
    "sorting into subdirectories (not with --bit-preserving):": "サブディレクトリへの振り分け(--bit-preserving とは併用不可)",
    "filename generation:": "ファイル名の生成",
    "log:": "ログ",
    "before receiving:": "受信を始める前に",
    "limits:": "制限",
    "privileges:": "権限",
    "allowed peers (default: all):": "許可する通信相手(既定値: すべて)",
    "monitoring:": "監視",
    "parallel reception:": "並行受信",
    "events:": "イベントの記録",
}
"""Titles of groups and sections."""

TEXTS = {
    "--help": "ヘルプを表示して終了する",
    "--version": "バージョン情報を表示して終了する",
    "--arguments": "展開後のコマンドライン引数を表示する",
    "--quiet": "警告もエラーも表示しない",
    "--verbose": "処理の経過を表示する",
    "--debug": "デバッグ情報を表示する",
    "--log-level": "ロガーのレベルを l にする",
    "--log-config": "ロガーの設定をファイル f から読む",
    "--verbose-pc": "--verbose のときにプレゼンテーションコンテキストも表示する",
    "--single-process": "1 つのプロセスで受信する",
    "--fork": "アソシエーションごとに子プロセスを作る",
    "--max-associations": "同時に開くアソシエーションを m 個までに制限する",
    "--ipv4": "IPv4 だけを使う",
    "--ipv6": "IPv6 だけを使う",
    "--ip-auto": "IPv6 と IPv4 の両方を使う",
    "--config-file": "設定ファイル f のプロファイル p を使う",
    "--prefer-uncompr": "この計算機のバイト順の明示的 VR を優先する",
    "--prefer-little": "明示的 VR リトルエンディアンを優先する",
    "--prefer-big": "明示的 VR ビッグエンディアンを優先する",
    "--prefer-lossless": "JPEG 可逆の標準の転送構文を優先する",
    "--prefer-jpeg8": "8 ビットデータ向けの JPEG 非可逆の標準の転送構文を優先する",
    "--prefer-jpeg12": "12 ビットデータ向けの JPEG 非可逆の標準の転送構文を優先する",
    "--prefer-j2k-lossless": "JPEG 2000 可逆を優先する",
    "--prefer-j2k-lossy": "JPEG 2000 非可逆を優先する",
    "--prefer-jls-lossless": "JPEG-LS 可逆を優先する",
    "--prefer-jls-lossy": "JPEG-LS 非可逆を優先する",
    "--prefer-mpeg2": "MPEG2 Main Profile @ Main Level を優先する",
    "--prefer-mpeg2-high": "MPEG2 Main Profile @ High Level を優先する",
    "--prefer-mpeg4": "MPEG4 AVC/H.264 High Profile / Level 4.1 を優先する",
    "--prefer-mpeg4-bd": "BD 互換の MPEG4 AVC/H.264 High Profile / Level 4.1 を優先する",
    "--prefer-mpeg4-2-2d": "2D 動画向けの MPEG4 AVC/H.264 High Profile / Level 4.2 を優先する",
    "--prefer-mpeg4-2-3d": "3D 動画向けの MPEG4 AVC/H.264 High Profile / Level 4.2 を優先する",
    "--prefer-mpeg4-2-st": "MPEG4 AVC/H.264 Stereo High Profile / Level 4.2 を優先する",
    "--prefer-hevc": "HEVC/H.265 Main Profile / Level 5.1 を優先する",
    "--prefer-hevc10": "HEVC/H.265 Main 10 Profile / Level 5.1 を優先する",
    "--prefer-rle": "RLE 可逆を優先する",
    "--prefer-deflated": "deflate した明示的 VR リトルエンディアンを優先する",
    "--implicit": "暗黙的 VR リトルエンディアンだけを受け入れる",
    "--accept-all": "対応する転送構文をすべて受け入れる",
    "--access-full": "どのホストからの接続も受け入れる",
    "--access-control": "ホストアクセス制御のルールを適用する",
    "--inetd": "スーパーサーバ inetd から起動されたものとして動く",
    "--socket-timeout": "ネットワークソケットのタイムアウトを s 秒にする(0 で無制限)",
    "--acse-timeout": "ACSE メッセージのタイムアウトを s 秒にする",
    "--dimse-timeout": "DIMSE メッセージのタイムアウトを s 秒にする",
    "--aetitle": "自分の AE タイトルを a にする",
    "--max-pdu": "受信する PDU の最大長を n バイトにする",
    "--disable-host-lookup": "ホスト名の逆引きをしない",
    "--refuse": "アソシエーションをすべて拒否する",
    "--reject": "実装クラス UID のないアソシエーションを拒否する",
    "--ignore": "受信するが保存しない",
    "--sleep-after": "保存のあとに s 秒待つ",
    "--sleep-during": "保存の途中で s 秒待つ",
    "--abort-after": "C-STORE-RQ を受信したあと、応答を送る前にアソシエーションを中断する",
    "--abort-during": "C-STORE-RQ の受信中にアソシエーションを中断する",
    "--promiscuous": "未知の SOP クラスも受け入れる(--config-file とは併用不可)",
    "--uid-padding": "空白で埋められた UID を黙って直す",
    "--disable-tls": "TLS を使わない通常の TCP/IP 接続を使う",
    "--enable-tls": "秘密鍵 p と証明書 c で認証した TLS 接続を使う",
    "--std-passwd": "パスワードの入力を標準入力で求める",
    "--use-passwd": "パスワード p を使う",
    "--null-passwd": "空のパスワードを使う",
    "--pem-keys": "鍵と証明書を PEM 形式で読む",
    "--der-keys": "鍵と証明書を DER 形式で読む",
    "--add-cert-file": "信頼する証明書にファイル f のものを加える",
    "--add-cert-dir": "信頼する証明書にディレクトリ d のものを加える",
    "--add-crl-file": "証明書失効リスト f を加える(--enable-crl-vfy も有効になる)",
    "--enable-crl-vfy": "末端の証明書を失効リストで検証する",
    "--enable-crl-all": "証明書チェーン全体を失効リストで検証する",
    "--list-profiles": "対応する TLS プロファイルを一覧表示して終了する",
    "--profile-8996": "BCP 195 RFC 8996 TLS プロファイルを使う",
    "--profile-8996-mod": "修正 BCP 195 RFC 8996 TLS プロファイルを使う",
    "--profile-bcp195-nd": "ダウングレードしない BCP 195 TLS プロファイルを使う(廃止済み)",
    "--profile-bcp195": "BCP 195 TLS プロファイルを使う(廃止済み)",
    "--profile-bcp195-ex": "拡張 BCP 195 TLS プロファイルを使う(廃止済み)",
    "--profile-basic": "基本 TLS セキュアトランスポート接続プロファイルを使う(廃止済み)",
    "--profile-aes": "AES TLS セキュアトランスポート接続プロファイルを使う(廃止済み)",
    "--profile-null": "認証はするが暗号化しない通信を使う(廃止済み、IHE ATNA で使われたもの)",
    "--list-ciphers": "対応する TLS 暗号スイートを一覧表示して終了する",
    "--cipher": "ネゴシエーションする暗号スイートに c を加える",
    "--dhparam": "DH/DSS 暗号スイート用の DH パラメータをファイル f から読む",
    "--no-sni": "SNI を使わない",
    "--expect-sni": "サーバ名 s への要求を期待する",
    "--seed": "乱数生成器の種をファイル f の内容で与える",
    "--write-seed": "更新した種を同じファイルに書き戻す",
    "--write-seed-file": "更新した種をファイル f に書く",
    "--require-peer-cert": "通信相手の証明書を検証し、なければ失敗とする",
    "--verify-peer-cert": "通信相手の証明書があれば検証する",
    "--ignore-peer-cert": "通信相手の証明書を検証しない",
    "--output-directory": "受信したオブジェクトを既存のディレクトリ d に書く",
    "--normal": "形式の暗黙の変換を許す",
    "--bit-preserving": "データを読んだとおりに書く",
    "--write-file": "ファイル形式で書く",
    "--write-dataset": "ファイルメタ情報のないデータセットを書く",
    "--write-xfer-same": "受信したときと同じ転送構文で書く",
    "--write-xfer-little": "明示的 VR リトルエンディアンで書く",
    "--write-xfer-big": "明示的 VR ビッグエンディアンで書く",
    "--write-xfer-implicit": "暗黙的 VR リトルエンディアンで書く",
    "--write-xfer-deflated": "deflate した明示的 VR リトルエンディアンで書く",
    "--enable-new-vr": "新しい VR(UN/UT)を使う",
    "--disable-new-vr": "新しい VR を使わず、OB に変換する",
    "--group-length-recalc": "グループ長があれば計算し直す",
    "--group-length-create": "グループ長の要素を必ず書く",
    "--group-length-remove": "グループ長の要素を書かない",
    "--length-explicit": "確定した長さで書く",
    "--length-undefined": "未定義の長さで書く",
    "--padding-off": "パディングをしない",
    "--padding-create": "ファイルを f バイトの倍数に、アイテムを i バイトの倍数に揃える",
    "--retain-un": "UN の要素を UN のまま残す",
    "--convert-un": "本来の VR が分かるものは変換する",
    "--compression-level": "圧縮レベルを l にする(0: 圧縮しない、1: 最速、9: 最高)",
    "--sort-conc-studies": "プレフィックス p とタイムスタンプの名前で、スタディごとに振り分ける",
    "--sort-on-study-uid": "プレフィックス p と Study Instance UID の名前で、スタディごとに振り分ける",
    "--sort-on-patientname": "患者名とタイムスタンプの名前で、スタディごとに振り分ける",
    "--default-filenames": "インスタンス UID からファイル名を作る",
    "--unique-filenames": "重複しないファイル名を作る",
    "--timenames": "作成時刻からファイル名を作る",
    "--filename-extension": "すべてのファイル名に e を付ける",
    "--exec-on-reception": "1 つの C-STORE-RQ を受信して処理するたびに、コマンド c を実行する",
    "--exec-on-eostudy": "1 つのスタディの C-STORE-RQ をすべて受信して処理したら、コマンド c を実行する",
    "--rename-on-eostudy": "1 つのスタディの C-STORE-RQ をすべて受信して処理したら、決まった規則でファイル名を付け直す",
    "--eostudy-timeout": "t 秒間何も受信しなければスタディの終わりとみなす",
    "--exec-sync": "コマンドの終わりを待ってから先へ進む",
    "--hosts-allow": "許可のルールを /etc/hosts.allow の代わりにファイル f から読む",
    "--hosts-deny": "拒否のルールを /etc/hosts.deny の代わりにファイル f から読む",
    "--fsync": "ファイルとディレクトリがディスクに書かれてから成功の応答を送る",
    "--inflate-limit": "展開すると m メガバイトを超える deflate データセットを拒否する",
    "--log-json": "ログを JSON で、1 行に 1 オブジェクトずつ書く",
    "--log-mask": "JSON のログで識別情報を伏せる",
    "--check": "他のオプションに必要なものが揃っているかを調べて結果を表示し、終了する",
    "--conformance": "他のオプションに応じた DICOM 適合性宣言書を表示して終了する",
    "--idle-timeout": "s 秒間何も起こらないアソシエーションを中断する(0 で無制限)",
    "--max-request-size": "b バイトまでのアソシエーション要求を読む",
    "--max-command-size": "b バイトまでのコマンドセットを読む",
    "--max-object-size": "ファイルが m メガバイトを超えるオブジェクトを拒否する",
    "--min-free-space": "出力ディレクトリのファイルシステムの空きが m メガバイト未満の間、オブジェクトを拒否する",
    "--peer-associations": "1 つのアドレスから同時に開けるアソシエーションを m 個までに制限する(--fork または --workers と併用時のみ)",
    "--peer-connections": "1 つのアドレスからの接続を m 個までに制限する",
    "--user": "ポートを開いたあと、ユーザ u とグループ g になる",
    "--umask": "作成するすべてのファイルから権限 m を取り除く",
    "--allow-calling": "呼び出し側 AE タイトル a にアソシエーションを許可する",
    "--allow-calling-file": "ファイル f の呼び出し側 AE タイトルにアソシエーションを許可する",
    "--allow-called": "呼び出され側 AE タイトル a への要求に応じる",
    "--allow-called-file": "ファイル f の呼び出され側 AE タイトルへの要求に応じる",
    "--allow-address": "アドレスまたはネットワーク a からの接続を許可する",
    "--allow-address-file": "ファイル f のアドレスとネットワークからの接続を許可する",
    "--http": "アドレス a のポート p で、状態ページ、メトリクス、JSON を提供する",
    "--http-host": "状態ページを名前 n でも呼び出せるようにする",
    "--http-token-file": "ファイル f のトークンを持つ相手にだけ情報を渡す",
    "--progress": "受信の様子を標準エラー出力に表示する(端末では随時更新する)",
    "--show-identifiers": "患者名、UID、ディレクトリも表示する",
    "--workers": "n 個のプロセスで、同時に n 個までのアソシエーションを処理する",
    "--queue-limit": "ワーカーを待つ相手が n になったら、それ以上は拒否する",
    "--parallel-studies": "他に何を受信していても、スタディをそれぞれ別に終える(--workers と --state-directory では常に有効)",
    "--state-directory": "スタディとコマンドをディレクトリ d に記録し、プログラムが終了しても失わないようにする",
    "--eostudy-hold": "最後のオブジェクトから s 秒たったら、それを送ったアソシエーションが開いていてもスタディを終える",
    "--exec-parallel": "同時に n 個までのコマンドを実行する",
    "--exec-timeout": "s 秒を超えて動くコマンドを終了させる",
    "--exec-attempts": "失敗したコマンドを n 回まで実行する",
    "--exec-pause": "s 秒後に再び実行し、その後は毎回 2 倍の間隔を置く(最大 1 時間)",
    "--list-failed": "状態ディレクトリ d の、断念したコマンドを表示して終了する",
    "--retry-failed": "それらのコマンドを、動作中の受信プログラムに、または次の起動時に再び実行させ、終了する",
    "--events": "イベントをファイル f に、1 行に 1 つの JSON オブジェクトとして書く(-: 標準出力)",
}
"""What an option does, by its long name. Defaults are added."""

_WORDS = (
    ("string constant", "文字列定数"),
    ("octal digits", "8 進数"),
    ("integer", "整数"),
    ("string", "文字列"),
    ("default: unlimited", "既定値: 無制限"),
    ("default: as inherited", "既定値: 引き継いだ値"),
    ("default: see --fork", "既定値: --fork を参照"),
    (
        "default: as --socket-timeout, and none with --eostudy-timeout",
        "既定値: --socket-timeout と同じ、--eostudy-timeout を使うときはなし",
    ),
    ("default:", "既定値:"),
    ("(default)", "(既定)"),
    ("(only with --seed)", "(--seed と併用時のみ)"),
    (" or ", " または "),
)
"""Words of values and defaults."""

_DEFAULT = re.compile(r"\((?:[^()]*; )?(default(?:: [^()]*)?)\)")

_HEAD = """\
.\\" Made by `make docs` from the table of options and the texts in scripts/manual_japanese.py; change those.
.TH STORESCP 1 "" "storescp {version}" "ユーザコマンド"
.ad l
.SH 名前
storescp \\- DICOM オブジェクトを受信してファイルに保存する
.SH 書式
.B storescp
.RI [ option ...]
.RI [ port ]
.SH 説明
.B storescp
は DICOM の Storage SCP である。
撮影装置やワークステーション、アーカイブが C\\-STORE で送るオブジェクトを、それぞれ 1 つのファイルに保存する。
送信側に成功を知らせるのは、ファイルが完全に書かれたあとである。
C\\-ECHO にも応答する。
.PP
DCMTK の同名のプログラム({reference})と同じコマンドラインを受け付け、同じ名前で同じファイルを書く。
本実装で拡張したオプションは最後にまとめてある。
.PP
オプションと
.I port
の順序は問わない。
値は独立した引数であり、等号でオプションにつなげることはない。
互いに排他的なオプションが並んだときは、最も右のものが黙って有効になる。
引数
.BI @ file
は、そのファイルに書かれた引数に置き換わる。
引数は空白で区切り、引用符(一重または二重)で囲める。
エスケープとコメントはない。
.SH 引数
.TP
.I port
待ち受ける TCP ポート(1 から 65535)。
.B \\-\\-inetd
を指定しないときは必須。
.SH オプション
"""

_TAIL = """\
.SH 終了ステータス
.TP
0
オプションが求める文を表示した。または
.B \\-\\-inetd
の接続に応対した。または
.B \\-\\-check
で問題がなかった。
.TP
1
コマンドラインに誤りがあるか、そこで指定されたものが使えない。
.TP
2
.B \\-\\-check
のとき: 起動できるが、警告がある。
.TP
99
.B \\-\\-inetd
のとき: 標準入力がない。
.PP
待ち受けている受信プログラムは、終了を求めたシグナルによって終わる。
.SH シグナル
.TP
SIGTERM, SIGINT
アソシエーションを中断し、書きかけのファイルを残さず、スタディを終えて終了する。
2 度目のシグナルではすぐに終了する。
.TP
SIGHUP
鍵、証明書、失効リスト、許可する通信相手のリストを読み直し、次の接続から使う。
.SH 環境変数
.TP
.B DCMDICTPATH
内蔵の辞書の代わりに使う、DCMTK 形式のデータ辞書。コロンで区切る。
.TP
.B TCP_BUFFER_LENGTH
各接続のシステムバッファの大きさ(キロバイト)。
.TP
.B DCMTK_LOG4CPLUS_LOGLOG_DEBUGENABLED, DCMTK_LOG4CPLUS_LOGLOG_QUIETMODE
ログの設定を読む過程を逐一表示するか、または設定の誤りについて何も言わないか。
.PP
.B \\-\\-exec\\-on\\-reception
と
.B \\-\\-exec\\-on\\-eostudy
のコマンドは、何についてのものかを
.B STORESCP_
で始まる環境変数で受け取る。
.SH ファイル
.TP
.I /etc/hosts.allow, /etc/hosts.deny
.B \\-\\-access\\-control
のルール。hosts_access(5) を参照。
.SH 例
ディレクトリに受信し、経過を表示する。
.PP
.RS
.nf
storescp \\-v \\-od incoming 11112
.fi
.RE
.PP
スタディごとにディレクトリを作り、オブジェクトごとにコマンドを実行し、圧縮画像も受け入れる。
.PP
.RS
.nf
storescp \\-od incoming \\-su study \\-xcr \\(aq./received #p/#f\\(aq +xa 11112
.fi
.RE
.PP
認証局の証明書を持つクライアントから、TLS で受信する。
.PP
.RS
.nf
storescp +tls server.key server.pem +cf ca.pem \\-od incoming 2762
.fi
.RE
.PP
受信せずに、これで動くかどうかを調べる。
.PP
.RS
.nf
storescp \\-\\-check +tls server.key server.pem +cf ca.pem \\-od incoming 2762
.fi
.RE
.SH 関連項目
.BR echoscu (1),
.BR storescu (1),
.BR hosts_access (5),
.BR openssl (1)
"""


def page() -> str:
    """Return the manual page.

    Raises:
        KeyError: an option or a title has no Japanese text.
    """
    reference = IDENTIFICATION.strip("$ ").removeprefix("dcmtk: storescp ").split()[0]
    head = _HEAD.format(version=__version__, reference=roff(reference))
    return head + "".join(line + "\n" for line in _options()) + _TAIL


def _options() -> Iterator[str]:
    for group in GROUPS:
        yield f'.SS "{roff(TITLES[group.title])}"'
        for number, section in enumerate(group.sections):
            if section.title:
                if number:
                    yield ".PP"
                yield f".I {roff(TITLES[section.title])}"
            yield from _section(section)


def _section(section: OptionSection) -> Iterator[str]:
    for option in section.options:
        yield ".TP"
        yield f".B {roff(', '.join(option_names(option)))}" + values_in_italics(
            translated(option.values)
        )
        facts = "".join(f"{fact}。" for fact in conditions(option))
        yield roff(f"{TEXTS[option.long]}{default(option)}。{facts}")


def translated(text: str) -> str:
    """Return the values of an option, or a default, in Japanese."""
    for english, japanese in _WORDS:
        text = text.replace(english, japanese)
    return text


def default(option: Option) -> str:
    """Return the default that the description of an option tells, in parentheses; empty: none."""
    found = _DEFAULT.search(" ".join(option.description.split()))
    return translated(f"({found[1]})") if found else ""


def conditions(option: Option) -> Iterator[str]:
    """Yield when an option can be given, and with which values."""
    for kind in option.takes[:1]:
        if isinstance(kind, Number):
            most = "" if kind.maximum is None else f"、{kind.maximum} 以下"
            yield f"{kind.minimum} 以上{most}"
    for kind in option.takes:
        if isinstance(kind, Octal):
            yield f"{kind.maximum:o} 以下"
    if option.not_with:
        others = (name for condition in option.not_with for name in names_in_condition(condition))
        yield f"{'、'.join(others)} とは併用不可"
    for condition in option.only_with:
        needed = names_in_condition(condition.replace("verbose mode", "--verbose"))
        yield f"{' または '.join(needed)} と併用時のみ"
    if option.cumulative:
        yield "繰り返し指定できる"
    if option.feature is not None:
        yield f"OpenSSL が {option.feature.value} を提供する場合のみ"
