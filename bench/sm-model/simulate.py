"""Estimates a kernel's share of an H100's memory bandwidth from its instructions, control codes included (nvdisasm -hex -c).

One streaming multiprocessor: four schedulers, warps in order, stall counts and the six scoreboards as the assembler encoded them; pipes by their throughput
(FMA one warp a clock and scheduler, ALU and integer products two clocks, special functions eight, loads and stores shared); memory: one queue of the
multiprocessor's share of the DRAM bandwidth and a fixed latency. Branches: forward ones that skip a step are not taken, those that skip a call (the slow path of
a division) are; backward ones are taken `--loops` - 1 times. Not modelled: caches, TLBs, DRAM pages, write-backs. So it is an upper bound, good for
comparing variants, and no measurement.
"""
import argparse, heapq, json, re

CLOCK, PROCESSORS, BANDWIDTH = 1.755e9, 132, 3.35e12 * 0.93
BYTES_PER_CLOCK = BANDWIDTH / PROCESSORS / CLOCK
ALU = ('FSETP', 'FSEL', 'FMNMX', 'IADD3', 'LOP3', 'SHF', 'PRMT', 'ISETP', 'LEA', 'SEL', 'FSET', 'VIADD', 'VIADDMNMX', 'PLOP3', 'IABS', 'BMSK', 'P2R', 'R2P', 'VOTE', 'IMNMX', 'LOP', 'FCHK', 'MOV', 'I2FP')
HEAVY = ('IMAD', 'HFMA2', 'I2F', 'FRND')
SPECIAL = ('MUFU', 'F2F', 'F2I')
MEMORY = ('LDG', 'STG')


def parse(path, kernel):
    program, labels, current, pending = [], {}, None, None
    for line in open(path):
        if m := re.match(r'\s*\.section\s+\.text\.([\w$]+)', line):
            current = m.group(1)
        if current != kernel:
            continue
        if m := re.match(r'^(\.L\w+):\s*$', line):
            labels[m.group(1)] = len(program)
        elif m := re.match(r'\s+/\*([0-9a-f]{4,6})\*/\s+(.*?);?\s*/\* 0x([0-9a-f]{16}) \*/', line):
            pending = m.group(2).strip()
        elif (m := re.match(r'\s+/\* 0x([0-9a-f]{16}) \*/', line)) and pending:
            control, text, pending = int(m.group(1), 16), pending, None
            g = re.match(r'(@!?U?P\w+\s+)?([A-Z0-9_.]+)', text)
            program.append(dict(text=text, predicate=(g.group(1) or '').strip(), op=g.group(2), base=g.group(2).split('.')[0],
                                stall=(control >> 41) & 15, write=(control >> 46) & 7, read=(control >> 49) & 7, wait=(control >> 52) & 63))
    return program, labels


def trace(program, labels, loops):
    """The instructions that one warp executes."""
    taken, at, sequence = {}, 0, []
    while True:
        one = program[at]
        sequence.append(one)
        if one['base'] == 'EXIT':
            if not one['predicate'] or len(sequence) > 60:
                return sequence
        elif one['base'] == 'BRA':
            target = labels[re.search(r'`\((\.L\w+)\)', one['text']).group(1)]
            if target <= at:
                taken[at] = taken.get(at, 0) + 1
                if taken[at] < loops:
                    at = target
                    continue
            elif not one['predicate'] or any(each['base'] == 'CALL' for each in program[at + 1:at + 6]):
                at = target
                continue
        elif one['base'] in ('CALL', 'RET'):
            raise SystemExit(f'the slow path of a division was executed at {at}')
        at += 1


def width(op):
    return 16 if '.128' in op else 8 if '.64' in op else 2 if '16' in op else 1 if '8' in op else 4


def simulate(sequence, warps, per_block, latency, blocks, launch=300):
    steps = []
    for one in sequence:
        base = one['base']
        pipe = 'memory' if base in MEMORY else 'alu' if base in ALU else 'heavy' if base in HEAVY else 'special' if base in SPECIAL else 'fma' if base in ('FADD', 'FMUL', 'FFMA') else 'other'
        steps.append((pipe, one['stall'] or 1, one['write'], one['read'], one['wait'], base, width(one['op']) if pipe == 'memory' else 0))
    busy = dict(alu=2, heavy=2, special=8, fma=1, other=1)
    pipes = [dict(issue=0, **{name: 0 for name in busy}) for _ in range(4)]
    port = queue = end = in_flight = 0.0
    moved = 0
    waiting, left, following, order = [], {}, 0, 0

    def start_block(now):
        nonlocal following, order
        if following < blocks:
            for k in range(per_block):
                heapq.heappush(waiting, (now, order, dict(at=0, boards=[0.0] * 6, block=following, pipes=pipes[k % 4])))
                order += 1
            left[following] = per_block
            following += 1

    for _ in range(warps // per_block):
        start_block(0.0)
    while waiting:
        now, n, warp = heapq.heappop(waiting)
        pipe, stall, write, read, wait, base, wide = steps[warp['at']]
        mine = warp['pipes']
        ready = max([now, mine['issue'], port if pipe == 'memory' else mine[pipe]] + [warp['boards'][s] for s in range(6) if wait >> s & 1])
        if ready > now + 1e-9:
            heapq.heappush(waiting, (ready, n, warp))
            continue
        mine['issue'] = now + 1
        done = now + (24 if pipe == 'special' else 30)
        if pipe == 'memory':
            count = 32 * wide
            port = now + max(1.0, count / 128)
            queue = max(queue, now) + count / BYTES_PER_CLOCK
            moved += count
            done = queue + latency if base == 'LDG' else now + 20
            in_flight += count * (done - now) if base == 'LDG' else 0
        else:
            mine[pipe] = now + busy[pipe]
        if write < 6:
            warp['boards'][write] = max(warp['boards'][write], done)
        if read < 6:
            warp['boards'][read] = max(warp['boards'][read], now + 20)
        warp['at'] += 1
        if warp['at'] < len(steps):
            heapq.heappush(waiting, (now + stall, n, warp))
            continue
        end = max(end, now)
        left[warp['block']] -= 1
        if left[warp['block']] == 0:
            start_block(now + launch)
    end = max(end, queue)
    return dict(share=round(100 * moved / end / BYTES_PER_CLOCK), kilobytesInFlight=round(in_flight / end / 1024))


if __name__ == '__main__':
    arguments = argparse.ArgumentParser()
    arguments.add_argument('sass')
    arguments.add_argument('kernel')
    for name in ('loops', 'registers', 'block'):
        arguments.add_argument(f'--{name}', type=int, required=True)
    given = arguments.parse_args()
    sequence = trace(*parse(given.sass, given.kernel), given.loops)
    per_block = given.block // 32
    resident = min(64 // per_block, 65536 // (-(-given.registers // 8) * 8 * given.block), 32)
    print(json.dumps({'instructions': len(sequence), 'warps': resident * per_block,
                      'latency': {latency: simulate(sequence, resident * per_block, per_block, latency, resident * 10) for latency in (600, 900)}}))
