#!/usr/bin/env python3
"""Compares Braid with a reference server by random commands on strings, bitmaps, keys, transactions and connections.

    tests/difftest-strings.py DIFFTEST --a HOST:PORT --b HOST:PORT [-n 50000] [--seed 1] ...

DIFFTEST is the path of difftest.py, the general differential fuzzer; it may be given by the environment variable DIFFTEST
instead. A is the reference, a Redis 7.0.15 or a Valkey 9.1.2; B is Braid. Both are flushed. All other options are those of
difftest.py. Only keys of strings are seeded, and no macro uses scripts or blocking commands.

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


# ---- what is generated: strings only
def only_strings():
    for prefix in list(d.KEYS):
        if prefix not in (b's', b'b'):
            del d.KEYS[prefix]
    d.ALLKEYS[:] = [key for keys in d.KEYS.values() for key in keys] + [b'n:0', b'{t}1', b'{t}2', b'bin\x00\xff\r\n', b'']
    d.KEYSET.clear()
    d.KEYSET.update(d.ALLKEYS)
    absent = (b'SUBSCRIBE', b'FUNCTION', b'SCRIPT', b'ACL ')
    d.PROTO[:] = [case for case in d.PROTO if not any(word in case for word in absent)]


SCRIPTS = (b'EVAL', b'EVALSHA', b'EVAL_RO')
general_macro = d.Gen.macro


def macro(gen):
    """A macro that neither runs a script nor blocks. What lets one of both servers refuse to queue is left out of MULTI."""
    while True:
        try:
            ops = general_macro(gen)
        except KeyError:  # a macro for a type that has no keys here
            continue
        if all(op[1] == 'c' and op[2][0].upper() not in SCRIPTS for op in ops):
            multi = next((at for at, op in enumerate(ops) if op[2] == [b'MULTI']), len(ops))
            return [op for at, op in enumerate(ops) if at <= multi or not parts_transactions(op[2])]


def parts_transactions(cmd):
    """Whether a listed difference of `cmd` lets EXEC abort on one side: WATCH, MULTI, and COMMAND GETKEYS of one word."""
    name = cmd[0].upper()
    return name in (b'WATCH', b'MULTI') or name == b'COMMAND' and len(cmd) == 3 and cmd[1].upper().startswith(b'GETKEYS')


general_safe = d.Gen.safe


def safe(gen, cmd):
    """As in general, and no name of a client has a zero byte: one side would keep it, as is listed."""
    cmd = general_safe(gen, cmd)
    return [word.replace(b'\0', b'') for word in cmd] if cmd[0].upper() == b'CLIENT' else cmd


# ---- what is known: tests/differences.md, in the same order. No rule may hide a difference of content.
INTEGER = b'ERR value is not an integer or out of range'
SYNTAX = b'ERR syntax error'


def error(reply, *texts):
    return reply[0] == '-' and any(reply[1].startswith(text) for text in texts)


def known(cmd, a, b):
    """The name of the listed difference that explains replies `a` and `b` to `cmd`, if one does."""
    name = cmd[0].upper()
    sub = cmd[1].upper() if len(cmd) > 1 else b''
    if name == b'BITCOUNT' and len(cmd) == 3 and (a[0] == ':' or error(a, INTEGER)) and error(b, SYNTAX):
        return 'BITCOUNT with a start only'
    if name == b'BITCOUNT' and len(cmd) == 5 and error(a, SYNTAX) and error(b, INTEGER):
        return 'BITCOUNT with two faults'
    if name in (b'BITCOUNT', b'BITPOS') and a in ((':', 0), (':', -1)) and error(b, INTEGER, SYNTAX):
        return 'bad range of a missing key'
    if name == b'OBJECT' and sub == b'REFCOUNT' and a[0] == ':' and a[1] > 1 and b == (':', 1):
        return 'OBJECT REFCOUNT of a shared value'
    if name == b'OBJECT' and sub == b'ENCODING' and a == ('$', b'embstr') and b == ('$', b'raw'):
        return 'OBJECT ENCODING of strings longer than 44 bytes'
    if name == b'COMMAND' and sub.startswith(b'GETKEYS') and len(cmd) == 3 and error(a, b'ERR wrong number'):
        if error(b, b'ERR Invalid command', b'ERR wrong number', b'ERR The command has no key'):
            return 'COMMAND GETKEYS of one word'
    if name == b'SCAN' and error(a, b'ERR unknown type name') and (b[0] == '*' or error(b, SYNTAX, INTEGER)):
        return 'SCAN TYPE of an unknown name'
    if name == b'SCAN' and (a[0] == '*' or error(a, SYNTAX, INTEGER)) and error(b, b'ERR invalid cursor'):
        if re.fullmatch(rb'(-[1-9]\d*)?(\0.*)?', cmd[1], re.S):
            return 'SCAN with an empty or a negative cursor'
    if name == b'SCAN' and error(a, b'ERR invalid cursor') and cmd[1][:1].isspace():
        return 'SCAN with spaces before the cursor'
    if name == b'GETEX' and b[0] == 'nil' and error(a, b'ERR invalid expire time', INTEGER):
        return 'GETEX of a missing key with a bad expiry'
    return None


seen = Counter()
general_classify = d.classify


def classify(op, a, b, opt, resp, queue=None):
    verdict = general_classify(op, a, b, opt, resp, queue)
    if verdict is None or REPORT_ALL:
        return verdict
    if op[2][0].upper() == b'EXEC' and queue and a[0] == b[0] == '*' and len(a[1]) == len(b[1]) == len(queue):
        inner = (classify(queued, x, y, opt, resp) for queued, x, y in zip(queue, a[1], b[1]) if x != y)
        return next((found for found in inner if found), None)
    if op[3] == 'STATE dbsize' and a[1] > b[1]:
        # The state's KEYS, compared just before, were equal: what A counts besides has expired.
        why = 'an end in the past counts until it is looked at'
    else:
        why = known(op[2], a, b)
    if why:
        seen[why] += 1
        return None
    return verdict


general_proto = d.proto


def proto(opt):
    """The raw cases, but for what is listed: the greeting's server, version and modules, and three habits of Valkey."""
    def plain(answer):
        text = re.sub(rb'version\r\n\$\d\r\n', b'version\r\n$5\r\n', answer[0])
        text = re.sub(rb'\$6\r\nvalkey', b'$5\r\nredis', text)
        return re.sub(rb'(modules\r\n)\*1\r\n[*%]\d\r\n.*?\*0\r\n', rb'\1*0\r\n', text, flags=re.S), answer[1]
    left = []
    for case, a, b in general_proto(opt):
        strict = b'invalid CRLF' in a[0] or b'too big inline' in a[0] or b'not allowed inside a transaction' in a[0]
        if REPORT_ALL or plain(a) != plain(b) and not strict:
            left.append((case, a, b))
        else:
            seen['raw: greeting' if not strict else 'raw: ' + repr(case[:24])] += 1
    return left


only_strings()
d.Gen.macro, d.Gen.safe, d.classify, d.proto = macro, safe, classify, proto
status = d.main()
print('listed in tests/differences.md: %d' % sum(seen.values()))
for why, count in seen.most_common():
    print('%8d  %s' % (count, why))
sys.exit(status)
