#!/usr/bin/env python3
"""Compares Braid with a reference server by random commands on all types of values, on keys, transactions and connections.

    tests/difftest.py DIFFTEST --a HOST:PORT --b HOST:PORT [-n 50000] [--seed 1] ...

DIFFTEST is the path of difftest.py, the general differential fuzzer; it may be given by the environment variable DIFFTEST
instead. A is the reference, a Redis 7.0.15 or a Valkey 9.1.2; B is Braid. Both are flushed. All other options are those of
difftest.py.

Differences that tests/differences.md lists are counted, not reported; the exit status is 0 if nothing else differs.
With --all as the last argument they are reported as well.
"""
import os
import re
import sys
from collections import Counter

path = os.environ.get('DIFFTEST') or (sys.argv.pop(1) if len(sys.argv) > 1 else sys.exit(__doc__))
REPORT_ALL = sys.argv[-1] == '--all' and bool(sys.argv.pop())
sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
d = __import__(os.path.splitext(os.path.basename(path))[0])

HASH_EXPIRY = (b'HEXPIRE', b'HPEXPIRE', b'HEXPIREAT', b'HPEXPIREAT', b'HTTL', b'HPTTL', b'HEXPIRETIME', b'HPEXPIRETIME',
               b'HPERSIST', b'HGETEX', b'HSETEX', b'HGETDEL')


# ---- what is generated. A listed difference that would let the values of both sides part is not provoked here.
general_macro, general_safe, general_seed, general_one = d.Gen.macro, d.Gen.safe, d.Gen.seed, d.Gen.one


def macro(gen):
    """A macro. What lets one of both servers refuse to queue is left out of MULTI."""
    ops = general_macro(gen)
    multi = next((at for at, op in enumerate(ops) if op[2] == [b'MULTI']), len(ops))
    return [op for at, op in enumerate(ops) if at <= multi or not parts_transactions(op[2])]


def parts_transactions(cmd):
    """Whether a listed difference of `cmd` lets EXEC abort on one side: WATCH, MULTI, and COMMAND GETKEYS of one word."""
    name = cmd[0].upper()
    return name in (b'WATCH', b'MULTI') or name == b'COMMAND' and len(cmd) == 3 and cmd[1].upper().startswith(b'GETKEYS')


def safe(gen, cmd):
    """As in general, and without the words that one side takes and the other refuses, as is listed."""
    cmd = general_safe(gen, cmd)
    name = cmd[0].upper()
    if name == b'CLIENT':
        return [word.replace(b'\0', b'') for word in cmd]
    if name in (b'XCLAIM', b'XAUTOCLAIM') and len(cmd) > 4 and re.fullmatch(rb'0*[1-9]\d{0,6}', cmd[4]):
        cmd[4] = b'0'  # whether an entry has been idle for so short a time depends on the test
    return cmd


def with_consumers(cmd):
    """`cmd`, and before what reads for a consumer, what makes it: Redis 7.0 makes none that gets nothing."""
    words = [word.upper() for word in cmd]
    if words[0] in (b'XAUTOCLAIM', b'XCLAIM') and len(cmd) > 3:
        return [[b'XGROUP', b'CREATECONSUMER'] + cmd[1:4], cmd]
    if words[0] != b'XREADGROUP' or b'GROUP' not in words[:-2] or b'STREAMS' not in words:
        return [cmd]
    at = words.index(b'GROUP')
    keys = cmd[words.index(b'STREAMS') + 1:]
    return [[b'XGROUP', b'CREATECONSUMER', key, cmd[at + 1], cmd[at + 2]] for key in keys[:len(keys) // 2]] + [cmd]


def seed(gen):
    return [made for cmd in general_seed(gen) for made in with_consumers(cmd)]


def with_equal_scores(cmd):
    """`cmd`, and if it goes by the order of members, before it what makes all scores equal: else it depends on chance."""
    name, at = cmd[0].upper(), 2 if cmd[0].upper() == b'ZRANGESTORE' else 1
    if len(cmd) > at and (b'LEX' in name or name.startswith(b'ZRANGE') and b'BYLEX' in [word.upper() for word in cmd]):
        return [[b'ZUNIONSTORE', cmd[at], b'1', cmd[at], b'WEIGHTS', b'0'], cmd]
    return [cmd]


def one(gen):
    name, cmds = general_one(gen)
    return name, [made for cmd in cmds for first in with_consumers(cmd) for made in with_equal_scores(first)]


# ---- what is known: tests/differences.md, in the same order. No rule may hide a difference of content.
INTEGER = b'ERR value is not an integer or out of range'
SYNTAX = b'ERR syntax error'
ARITY = b'ERR wrong number'
NO_FLOAT = (b'ERR min or max is not a float', b'ERR value is not a valid float', b'ERR need numeric ', b'ERR weight value is not a float')
XSETID_SMALLER = b'ERR The ID specified in XSETID is smaller'
ODD_FLOAT = re.compile(rb'\(?(\s|[-+]?0X)')


def error(reply, *texts):
    return reply[0] == '-' and any(reply[1].startswith(text) for text in texts)


def known(cmd, a, b):
    """The name of the listed difference that explains replies `a` and `b` to `cmd`, if one does."""
    name = cmd[0].upper()
    for rules in (known_of_strings_and_keys, known_of_hashes, known_of_sorted_sets, known_of_streams, known_of_scripts):
        why = rules(name, [word.upper() for word in cmd[1:]], cmd, a, b)
        if why:
            return why
    return None


def known_within(cmd, a, b):
    """The same for a command that a script has called with this reply."""
    a, b = without_place(a), without_place(b)
    if cmd[0].upper() in (b'LCS', b'XINFO') and shuffled(a) == shuffled(b):
        return 'the order of a map in a script'
    if cmd[0].upper() in (b'ZRANK', b'ZREVRANK') and error(a, b'ERR Wrong number of args calling') and error(b, SYNTAX):
        return 'ZRANK with a bad fourth word'
    return 'the place in a script' if a == b else known(cmd, a, b) or known_of_scripts(b'EVAL', [], cmd, a, b)


def shuffled(reply):
    """A reply without the order of its parts, which is left to chance where Lua made an array of a map; and without `lag`."""
    fields = plain_info(reply)[1]
    return (reply[0], sorted(map(repr, map(shuffled, fields)))) if isinstance(fields, tuple) else reply


def known_of_scripts(name, words, cmd, a, b):
    if not name.startswith((b'EVAL', b'FCALL')):
        return None
    if without_place(a) == without_place(b):
        return 'the place in a script'
    if error(b, b'ERR This Redis command is not allowed') and b"redis.call('wait'" in cmd[1]:
        return 'WAIT in a script'
    if error(a, b'ERR user_script:1: Script attempted to access nonexistent global variable \'os\''):
        return 'os in scripts'
    if error(b, b'ERR user_script:1: Script attempted to access nonexistent global variable \'server\''):
        return 'server in scripts'
    if error(a, b'ERR This Redis command is not allowed') and b"redis.call('blpop'" in cmd[1]:
        return 'what blocks, in a script'
    if a == ('$', b'quicklist') and b == ('$', b'listpack'):
        return 'OBJECT ENCODING of a short list'
    if a[0] == '-' and b'not allowed with BLOCK option from scripts' in a[1]:
        return 'what blocks, in a script'
    if error(a, b'ERR This Redis command is not allowed') and cmd[0].upper().startswith(BLOCKS):
        return 'what blocks, in a script'
    return None


BLOCKS = (b'BLPOP', b'BRPOP', b'BLMOVE', b'BLMPOP', b'BZPOP', b'BZMPOP', b'XREAD')
# How Valkey words errors of scripts, and how Redis does.
VALKEY_WORDS = (
    (b'This Valkey command', b'This Redis command'),
    (b'calling command from script', b'calling Redis command from script'),
    (b'Unknown command called', b'Unknown Redis command called'),
    (b'one argument for this call', b'one argument for this redis lib call'),
    (b'ERR Command arguments must', b'ERR Lua redis lib command arguments must'),
    (b'Invalid log level.', b'Invalid debug level.'),
    (b"Could not find scripting engine '", b'Unexpected engine in script shebang: #!'),
)


def without_place(reply):
    """An error of a script without where it happened, as Redis words it."""
    if reply[0] != '-':
        return reply
    text = re.sub(rb' script: .*', b'', reply[1], flags=re.S)
    for valkeys, redis in VALKEY_WORDS:
        text = text.replace(valkeys, redis)
    return '-', text.rstrip(b"'")


def known_of_strings_and_keys(name, words, cmd, a, b):
    sub = words[0] if words else b''
    if name == b'BITCOUNT' and len(cmd) == 3 and (a[0] == ':' or error(a, INTEGER, b'WRONGTYPE')) and error(b, SYNTAX):
        return 'BITCOUNT with a start only'
    if name == b'BITCOUNT' and len(cmd) == 5 and error(a, SYNTAX) and error(b, INTEGER):
        return 'BITCOUNT with two faults'
    if name in (b'BITCOUNT', b'BITPOS') and (a in ((':', 0), (':', -1)) or error(a, b'WRONGTYPE')) and error(b, INTEGER, SYNTAX):
        return 'bad range of a missing key'
    if name == b'OBJECT' and sub == b'REFCOUNT' and a[0] == ':' and a[1] > 1 and b == (':', 1):
        return 'OBJECT REFCOUNT of a shared value'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'embstr') and b == ('$', b'raw'):
        return 'OBJECT ENCODING of strings longer than 44 bytes'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'embstr') and b == ('$', b'int') and d.OPT.has('HEXPIRE'):
        return 'OBJECT ENCODING of a number that a script wrote'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'quicklist') and b == ('$', b'listpack'):
        return 'OBJECT ENCODING of a short list'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'hashtable') and b == ('$', b'listpack') and not d.OPT.has('HEXPIRE'):
        return 'OBJECT ENCODING of a small set'
    if error(a, b'ERR timeout is negative') and error(b, b'ERR timeout is out of range'):
        return 'an infinite timeout'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'intset') and b == ('$', b'hashtable'):
        return 'OBJECT ENCODING of what was added at once'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'skiplist') and b == ('$', b'listpack'):
        return 'OBJECT ENCODING of a sorted set that was sorted'
    if name in (b'SORT', b'SORT_RO') and error(a, b"ERR One or more scores can't be converted") and b[0] in '*:':
        return 'SORT of numbers that end at a zero byte'
    if name in (b'SORT', b'SORT_RO') and b'ALPHA' in words and a[0] == b[0] == '*' and len(a[1]) == len(b[1]):
        if any(b'\0' in (element[1] or b'') for element in a[1] + b[1]):
            return 'SORT ALPHA of what has zero bytes'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'listpack') and b in (('$', b'hashtable'), ('$', b'skiplist')):
        return 'OBJECT ENCODING of what was added at once'
    if name == b'COMMAND' and sub.startswith(b'GETKEYS') and len(cmd) == 3 and error(a, ARITY):
        if error(b, b'ERR Invalid command', ARITY, b'ERR The command has no key'):
            return 'COMMAND GETKEYS of one word'
    if name == b'SCAN' and error(a, b'ERR unknown type name') and (b[0] == '*' or error(b, SYNTAX, INTEGER)):
        return 'SCAN TYPE of an unknown name'
    cursor = {b'SCAN': 1, b'HSCAN': 2, b'SSCAN': 2, b'ZSCAN': 2}.get(name)
    if cursor and len(cmd) > cursor:
        if error(b, b'ERR invalid cursor') and re.fullmatch(rb'(-[1-9]\d*)?(\0.*)?', cmd[cursor], re.S):
            return 'SCAN with an empty or a negative cursor'
        if error(a, b'ERR invalid cursor') and cmd[cursor][:1].isspace():
            return 'SCAN with spaces before the cursor'
    if name in (b'LREM', b'LPOS') and a[0] != '-' and error(b, b'ERR value is out of range') and b'-9223372036854775808' in words:
        return 'LREM, LPOS of the least number'
    if name == b'LSET' and a[0] != '-' and error(b, b'ERR index out of range') and re.fullmatch(rb'-?\d{10,19}', cmd[2]):
        return 'LSET beyond 32 bits'
    if name == b'GETEX' and (b[0] == 'nil' or error(b, b'WRONGTYPE')) and error(a, b'ERR invalid expire time', INTEGER):
        return 'GETEX of a missing key with a bad expiry'
    return None


def known_of_hashes(name, words, cmd, a, b):
    if name == b'OBJECT' and a in (('$', b'hashtable'), ('$', b'listpack')) and b == ('$', b'listpackex'):
        return 'OBJECT ENCODING of a hash with a field that expires'
    if name in HASH_EXPIRY and b[0] == '-':
        return 'faults of what makes fields expire'
    return None


def known_of_sorted_sets(name, words, cmd, a, b):
    if error(a, b'ERR member ') and error(b, b'ERR could not decode requested zset member'):
        return 'GEOSEARCH and its kin by a missing member'
    if name == b'ZRANK' or name == b'ZREVRANK':
        if len(cmd) > 3 and error(a, ARITY) and (error(b, SYNTAX) or b == ('+', b'QUEUED')):
            return 'ZRANK with a bad fourth word'
    if error(a, *NO_FLOAT) and any(ODD_FLOAT.match(word) for word in words):
        return 'numbers in hexadecimal or behind spaces'
    if name == b'ZSCAN' and b'NOSCORES' in words and a[0] == b[0] == '*' and sorted(a[1][1][1]) == sorted(b[1][1][1]):
        return 'ZSCAN NOSCORES in another order'
    if name[:1] in (b'Z', b'B', b'G') and same_scores(a, b) or name == b'ZSCAN' and same_scores(by_member(a), by_member(b)):
        return 'the digits of a score'
    return None


def by_member(reply):
    """The reply of ZSCAN in the order of members."""
    if reply[0] != '*' or len(reply[1]) != 2:
        return reply
    found = reply[1][1][1]
    return '*', tuple(x for pair in sorted(zip(found[::2], found[1::2])) for x in pair)


def same_scores(a, b):
    """Whether both replies are the same but for the digits that tell the same floating-point numbers."""
    if a == b:
        return True
    if isinstance(a[1], tuple) and isinstance(b[1], tuple):
        return a[0] == b[0] and len(a[1]) == len(b[1]) and all(map(same_scores, a[1], b[1]))
    if a[0] != b[0] or a[0] not in ('$', ','):
        return False
    number = d.fnum(a[1])
    return number is not None and number == d.fnum(b[1])


def known_of_streams(name, words, cmd, a, b):
    if name == b'XINFO' and a[0] == b[0] != '-':
        plain = [d.norm(cmd, plain_info(reply), d.OPT, 3) for reply in (a, b)]
        if plain[0] == plain[1]:
            return 'XINFO: lag, inactive, active-time'
    if name in (b'XREAD', b'XREADGROUP') and error(a, b'ERR Unbalanced') and error(b, b'ERR Unbalanced'):
        return 'XREAD without an id for each key'
    if name == b'XADD' and error(a, b'ERR Elements are too large') and error(b, b'ERR The ID specified in XADD is equal'):
        return 'XADD with all sequences used up'
    if name == b'XSETID' and (a[0] != '-' or error(a, XSETID_SMALLER)) and error(b, XSETID_SMALLER):
        return 'XSETID below the greatest deleted id'
    return None


def plain_info(reply):
    """The reply of XINFO without the fields that Redis 7.0 does not tell or reckons otherwise."""
    if not isinstance(reply[1], tuple):
        return reply
    fields = reply[1]
    if any(field[1] in (b'lag', b'idle', b'seen-time') for field in fields):
        pairs = zip(fields[::2], fields[1::2])
        told = (b'lag', b'inactive', b'active-time') + (() if d.OPT.has('HEXPIRE') else (b'entries-read',))
        fields = tuple(x for name, value in pairs for x in (name, value) if name[1] not in told)
    return reply[0], tuple(plain_info(field) for field in fields)


seen = Counter()
parted = set()
general_classify, general_check = d.classify, d.check


def classify(op, a, b, opt, resp, queue=None):
    verdict = general_classify(op, a, b, opt, resp, queue)
    if verdict is None or REPORT_ALL:
        return verdict
    if op[3] == 'STATE dbsize' and a[1] > b[1]:
        # The state's KEYS, compared just before, were equal: what A counts besides has expired.
        why = 'an end in the past counts until it is looked at'
    else:
        why = known(op[2], a, b) if op[4] is None else known_within(op[4], a, b)
    if why:
        seen[why] += 1
        if (a[0] == '-') != (b[0] == '-'):
            parted.add(id(op))
        return None
    return verdict


def check(ops, res, opt, resp, first=True):
    """The differences up to the first listed one where only one side may have written: after it the values may differ."""
    parted.clear()
    found = general_check(ops, res, opt, resp, first)
    end = next((at for at, op in enumerate(ops) if id(op) in parted), len(ops))
    return [difference for difference in found if difference[0] <= end]


general_proto = d.proto


def proto(opt):
    """The raw cases, but for what is listed: the greeting's server, version and modules, and three habits of Valkey."""
    def plain(answer):
        text = re.sub(rb'version\r\n\$\d\r\n', b'version\r\n$5\r\n', answer[0])
        text = re.sub(rb'\$6\r\nvalkey', b'$5\r\nredis', text).replace(b' Please use EVAL.', b'')
        text = re.sub(rb'(>3\r\n\$7\r\nmessage\r\n\$1\r\na\r\n\$1\r\nm\r\n)(:1\r\n)', rb'\2\1', text)
        return re.sub(rb'(modules\r\n)\*1\r\n[*%]\d\r\n.*?\*0\r\n', rb'\1*0\r\n', text, flags=re.S), answer[1]
    left = []
    for case, a, b in general_proto(opt):
        strict = b'invalid CRLF' in a[0] or b'too big inline' in a[0] or b'not allowed inside a transaction' in a[0]
        if REPORT_ALL or plain(a) != plain(b) and not strict:
            left.append((case, a, b))
        else:
            seen['raw: greeting' if not strict else 'raw: ' + repr(case[:24])] += 1
    return left


d.PROTO[:] = [case.replace(b'FUNCTION LOAD', b'FUNCTION FLUSH\r\nFUNCTION LOAD') for case in d.PROTO if b'ACL ' not in case or b'SUBSCRIBE' in case]
d.Gen.macro, d.Gen.safe, d.Gen.seed, d.Gen.one, d.classify, d.proto = macro, safe, seed, one, classify, proto
d.check = check
if __name__ == '__main__':
    status = d.main()
    print('listed in tests/differences.md: %d' % sum(seen.values()))
    for why, count in seen.most_common():
        print('%8d  %s' % (count, why))
    sys.exit(status)
