(module ;; adaptiveLif
  (import "env" "memory" (memory 0 65536 shared))
  ;; adaptiveLif, all steps forward
  (func (export "forward") (param $scratch i32) (param $begin i32) (param $end i32) (param $steps i32) (param $size i32) (param $channels i32)
    (param $p.x i32) (param $p.decay i32) (param $p.rho i32) (param $p.beta i32) (param $p.spike i32) (param $p.checkpoint.v i32) (param $p.checkpoint.a i32)
    (local $n i32) (local $count i32) (local $next i32) (local $bytes i32) (local $first i32) (local $i i32) (local $s i32) (local $c i32) (local $t i32) (local $stride i32) (local $trajectory i32) (local $v i32) (local $chunk i32) (local $t0 i32) (local $t1 i32) (local $r i32) (local $rows i32) (local $row.x i32) (local $row.spike i32)
    (local $w0 v128) (local $w'0 v128) (local $w''0 v128) (local $w'''0 v128) (local $v0 v128) (local $v1 v128) (local $v2 v128) (local $v3 v128) (local $v4 v128) (local $v5 v128) (local $v6 v128) (local $v7 v128) (local $v8 v128) (local $v11 v128) (local $v12 v128) (local $v13 v128) (local $v14 v128) (local $v15 v128) (local $v16 v128) (local $v'0 v128) (local $v'1 v128) (local $v'2 v128) (local $v'3 v128) (local $v'4 v128) (local $v'5 v128) (local $v'6 v128) (local $v'7 v128) (local $v'8 v128) (local $v'11 v128) (local $v'12 v128) (local $v'13 v128) (local $v'14 v128) (local $v'15 v128) (local $v'16 v128) (local $v''0 v128) (local $v''1 v128) (local $v''2 v128) (local $v''3 v128) (local $v''4 v128) (local $v''5 v128) (local $v''6 v128) (local $v''7 v128) (local $v''8 v128) (local $v''11 v128) (local $v''12 v128) (local $v''13 v128) (local $v''14 v128) (local $v''15 v128) (local $v''16 v128) (local $v'''0 v128) (local $v'''1 v128) (local $v'''2 v128) (local $v'''3 v128) (local $v'''4 v128) (local $v'''5 v128) (local $v'''6 v128) (local $v'''7 v128) (local $v'''8 v128) (local $v'''11 v128) (local $v'''12 v128) (local $v'''13 v128) (local $v'''14 v128) (local $v'''15 v128) (local $v'''16 v128) (local $k0 v128) (local $k2 v128) (local $l0 v128) (local $l1 v128) (local $const0 v128)
    (v128.store offset=65792 (local.get $scratch) (v128.const f32x4 1 1 1 1))
    (local.set $const0 (v128.load offset=65792 (local.get $scratch)))
    (local.set $l0 (v128.load32_splat (local.get $p.decay)))  ;; param decay
    (local.set $l1 (v128.load32_splat (local.get $p.rho)))  ;; param rho
    (local.set $k0 (local.get $l0))
    (local.set $k2 (local.get $l1))
    (local.set $stride (i32.shl (local.get $size) (i32.const 2)))
    (local.set $n (local.get $begin))
    (block $done (loop $tiles
      (br_if $done (i32.ge_s (local.get $n) (local.get $end)))
      (local.set $count (i32.and (i32.sub (local.get $end) (local.get $n)) (i32.const -16)))
      (if (i32.gt_s (local.get $count) (i32.const 4096)) (then (local.set $count (i32.const 4096))))
      (local.set $next (i32.add (local.get $n) (local.get $count)))
      (if (i32.eqz (local.get $count)) (then ;; the remainder: the last 16 neurons
        (local.set $next (local.get $end))
        (local.set $n (i32.sub (local.get $size) (i32.const 16)))
        (local.set $count (i32.const 16))))
      (local.set $bytes (i32.shl (local.get $count) (i32.const 2)))
      (local.set $first (i32.shl (local.get $n) (i32.const 2)))
      (local.set $c (i32.shl (i32.rem_u (local.get $n) (local.get $channels)) (i32.const 2)))
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (i32.store offset=32896 (local.get $s) (i32.load (i32.add (local.get $p.beta) (local.get $c))))
        (local.set $c (i32.add (local.get $c) (i32.const 4)))
        (if (i32.eq (local.get $c) (i32.shl (local.get $channels) (i32.const 2))) (then (local.set $c (i32.const 0))))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $bytes)))
      )
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (local.set $w0 (v128.load offset=32896 (local.get $s)))  ;; param beta
        (local.set $w'0 (v128.load offset=32912 (local.get $s)))  ;; param beta
        (local.set $w''0 (v128.load offset=32928 (local.get $s)))  ;; param beta
        (local.set $w'''0 (v128.load offset=32944 (local.get $s)))  ;; param beta
        (v128.store offset=49344 (local.get $s) (local.get $w0))
        (v128.store offset=49360 (local.get $s) (local.get $w'0))
        (v128.store offset=49376 (local.get $s) (local.get $w''0))
        (v128.store offset=49392 (local.get $s) (local.get $w'''0))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
      )
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (v128.store offset=0 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=32 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=48 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16448 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16464 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16480 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16496 (local.get $s) (v128.const f32x4 0 0 0 0))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
      )
      (local.set $t (i32.const 0))
      (block $end (loop $steps
        (br_if $end (i32.ge_s (local.get $t) (local.get $steps)))
        (if (i32.eqz (i32.rem_u (local.get $t) (i32.const 32))) (then
          (local.set $t1 (i32.add (local.get $t) (i32.const 32)))
          (if (i32.gt_s (local.get $t1) (local.get $steps)) (then (local.set $t1 (local.get $steps))))
          (if (i32.and (i32.lt_u (local.get $count) (i32.const 1024)) (i32.gt_u (local.get $count) (i32.const 16))) (then
            (local.set $rows (i32.const 1))
            (if (i32.eq (local.get $count) (local.get $size)) (then (local.set $rows (i32.sub (local.get $t1) (local.get $t)))))
            (local.set $r (local.get $t))
            (loop $runs
              (local.set $row.x (i32.add (local.get $p.x) (i32.shl (i32.add (i32.mul (local.get $r) (local.get $size)) (local.get $n)) (i32.const 2))))
              (local.set $row.spike (i32.add (local.get $p.spike) (i32.shl (i32.add (i32.mul (local.get $r) (local.get $size)) (local.get $n)) (i32.const 2))))
              (local.set $i (i32.const 0))
              (loop $each
                (local.set $s (i32.add (local.get $scratch) (local.get $i)))
                (drop (i32.load8_u (i32.add (local.get $row.x) (local.get $i))))
                (drop (i32.load8_u (i32.add (local.get $row.spike) (local.get $i))))
                (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (i32.mul (local.get $rows) (local.get $bytes))))
              )
              (br_if $runs (i32.lt_s (local.tee $r (i32.add (local.get $r) (local.get $rows))) (local.get $t1)))
            )
          ))
        ))
        (if (i32.and (i32.ne (local.get $t) (i32.const 0)) (i32.eqz (i32.rem_u (local.get $t) (i32.const 32)))) (then
          (local.set $i (i32.const 0))
          (loop $each
            (local.set $s (i32.add (local.get $scratch) (local.get $i)))
            (v128.store offset=0 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=0 (local.get $s)))
            (v128.store offset=16 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=16 (local.get $s)))
            (v128.store offset=32 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=32 (local.get $s)))
            (v128.store offset=48 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=48 (local.get $s)))
            (v128.store offset=0 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=16448 (local.get $s)))
            (v128.store offset=16 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=16464 (local.get $s)))
            (v128.store offset=32 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=16480 (local.get $s)))
            (v128.store offset=48 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (i32.div_u (local.get $t) (i32.const 32)) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)) (v128.load offset=16496 (local.get $s)))
            (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
          )
        ))
        (local.set $row.x (i32.add (local.get $p.x) (i32.shl (i32.add (i32.mul (local.get $t) (local.get $size)) (local.get $n)) (i32.const 2))))
        (local.set $row.spike (i32.add (local.get $p.spike) (i32.shl (i32.add (i32.mul (local.get $t) (local.get $size)) (local.get $n)) (i32.const 2))))
        (local.set $i (i32.const 0))
        (loop $each
          (local.set $s (i32.add (local.get $scratch) (local.get $i)))
          (local.set $v0 (v128.load offset=0 (local.get $s)))  ;; state v
          (local.set $v'0 (v128.load offset=16 (local.get $s)))  ;; state v
          (local.set $v''0 (v128.load offset=32 (local.get $s)))  ;; state v
          (local.set $v'''0 (v128.load offset=48 (local.get $s)))  ;; state v
          (local.set $v1 (local.get $k0))  ;; invariant k0
          (local.set $v'1 (local.get $k0))  ;; invariant k0
          (local.set $v''1 (local.get $k0))  ;; invariant k0
          (local.set $v'''1 (local.get $k0))  ;; invariant k0
          (local.set $v2 (f32x4.mul (local.get $v0) (local.get $v1)))
          (local.set $v'2 (f32x4.mul (local.get $v'0) (local.get $v'1)))
          (local.set $v''2 (f32x4.mul (local.get $v''0) (local.get $v''1)))
          (local.set $v'''2 (f32x4.mul (local.get $v'''0) (local.get $v'''1)))
          (local.set $v3 (v128.load offset=0 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
          (local.set $v'3 (v128.load offset=16 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
          (local.set $v''3 (v128.load offset=32 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
          (local.set $v'''3 (v128.load offset=48 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
          (local.set $v4 (f32x4.add (local.get $v2) (local.get $v3)))
          (local.set $v'4 (f32x4.add (local.get $v'2) (local.get $v'3)))
          (local.set $v''4 (f32x4.add (local.get $v''2) (local.get $v''3)))
          (local.set $v'''4 (f32x4.add (local.get $v'''2) (local.get $v'''3)))
          (local.set $v5 (v128.load offset=16448 (local.get $s)))  ;; state a
          (local.set $v'5 (v128.load offset=16464 (local.get $s)))  ;; state a
          (local.set $v''5 (v128.load offset=16480 (local.get $s)))  ;; state a
          (local.set $v'''5 (v128.load offset=16496 (local.get $s)))  ;; state a
          (local.set $v6 (v128.load offset=49344 (local.get $s)))  ;; invariant k1
          (local.set $v'6 (v128.load offset=49360 (local.get $s)))  ;; invariant k1
          (local.set $v''6 (v128.load offset=49376 (local.get $s)))  ;; invariant k1
          (local.set $v'''6 (v128.load offset=49392 (local.get $s)))  ;; invariant k1
          (local.set $v7 (f32x4.mul (local.get $v5) (local.get $v6)))
          (local.set $v'7 (f32x4.mul (local.get $v'5) (local.get $v'6)))
          (local.set $v''7 (f32x4.mul (local.get $v''5) (local.get $v''6)))
          (local.set $v'''7 (f32x4.mul (local.get $v'''5) (local.get $v'''6)))
          (local.set $v8 (f32x4.sub (local.get $v4) (local.get $v7)))
          (local.set $v'8 (f32x4.sub (local.get $v'4) (local.get $v'7)))
          (local.set $v''8 (f32x4.sub (local.get $v''4) (local.get $v''7)))
          (local.set $v'''8 (f32x4.sub (local.get $v'''4) (local.get $v'''7)))
          (local.set $v11 (f32x4.ge (local.get $v8) (local.get $const0)))
          (local.set $v'11 (f32x4.ge (local.get $v'8) (local.get $const0)))
          (local.set $v''11 (f32x4.ge (local.get $v''8) (local.get $const0)))
          (local.set $v'''11 (f32x4.ge (local.get $v'''8) (local.get $const0)))
          (local.set $v12 (v128.and (local.get $const0) (local.get $v11)))
          (local.set $v'12 (v128.and (local.get $const0) (local.get $v'11)))
          (local.set $v''12 (v128.and (local.get $const0) (local.get $v''11)))
          (local.set $v'''12 (v128.and (local.get $const0) (local.get $v'''11)))
          (local.set $v13 (f32x4.sub (local.get $v4) (local.get $v12)))
          (local.set $v'13 (f32x4.sub (local.get $v'4) (local.get $v'12)))
          (local.set $v''13 (f32x4.sub (local.get $v''4) (local.get $v''12)))
          (local.set $v'''13 (f32x4.sub (local.get $v'''4) (local.get $v'''12)))
          (local.set $v14 (local.get $k2))  ;; invariant k2
          (local.set $v'14 (local.get $k2))  ;; invariant k2
          (local.set $v''14 (local.get $k2))  ;; invariant k2
          (local.set $v'''14 (local.get $k2))  ;; invariant k2
          (local.set $v15 (f32x4.mul (local.get $v5) (local.get $v14)))
          (local.set $v'15 (f32x4.mul (local.get $v'5) (local.get $v'14)))
          (local.set $v''15 (f32x4.mul (local.get $v''5) (local.get $v''14)))
          (local.set $v'''15 (f32x4.mul (local.get $v'''5) (local.get $v'''14)))
          (local.set $v16 (f32x4.add (local.get $v15) (local.get $v12)))
          (local.set $v'16 (f32x4.add (local.get $v'15) (local.get $v'12)))
          (local.set $v''16 (f32x4.add (local.get $v''15) (local.get $v''12)))
          (local.set $v'''16 (f32x4.add (local.get $v'''15) (local.get $v'''12)))
          (v128.store offset=0 (i32.add (local.get $row.spike) (local.get $i)) (local.get $v12))
          (v128.store offset=16 (i32.add (local.get $row.spike) (local.get $i)) (local.get $v'12))
          (v128.store offset=32 (i32.add (local.get $row.spike) (local.get $i)) (local.get $v''12))
          (v128.store offset=48 (i32.add (local.get $row.spike) (local.get $i)) (local.get $v'''12))
          (v128.store offset=0 (local.get $s) (local.get $v13))
          (v128.store offset=16 (local.get $s) (local.get $v'13))
          (v128.store offset=32 (local.get $s) (local.get $v''13))
          (v128.store offset=48 (local.get $s) (local.get $v'''13))
          (v128.store offset=16448 (local.get $s) (local.get $v16))
          (v128.store offset=16464 (local.get $s) (local.get $v'16))
          (v128.store offset=16480 (local.get $s) (local.get $v''16))
          (v128.store offset=16496 (local.get $s) (local.get $v'''16))
          (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
        )
        (local.set $t (i32.add (local.get $t) (i32.const 1)))
        (br $steps)
      ))
      (local.set $n (local.get $next))
      (br $tiles)
    ))
  )
  ;; adaptiveLif, all steps backward; the trajectory is recomputed 32 steps at a time
  (func (export "backward") (param $scratch i32) (param $begin i32) (param $end i32) (param $steps i32) (param $size i32) (param $channels i32)
    (param $p.x i32) (param $p.decay i32) (param $p.rho i32) (param $p.beta i32) (param $p.checkpoint.v i32) (param $p.checkpoint.a i32) (param $p.d.spike i32) (param $p.grad.x i32) (param $p.grad.beta i32)
    (local $n i32) (local $count i32) (local $next i32) (local $bytes i32) (local $first i32) (local $i i32) (local $s i32) (local $c i32) (local $t i32) (local $stride i32) (local $trajectory i32) (local $v i32) (local $chunk i32) (local $t0 i32) (local $t1 i32) (local $r i32) (local $rows i32) (local $row.x i32) (local $row.d.spike i32) (local $row.grad.x i32)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128) (local $a4 v128) (local $a5 v128) (local $a6 v128) (local $a7 v128) (local $a8 v128) (local $a11 v128) (local $a12 v128) (local $a13 v128) (local $a14 v128) (local $a15 v128) (local $a16 v128) (local $a'0 v128) (local $a'1 v128) (local $a'2 v128) (local $a'3 v128) (local $a'4 v128) (local $a'5 v128) (local $a'6 v128) (local $a'7 v128) (local $a'8 v128) (local $a'11 v128) (local $a'12 v128) (local $a'13 v128) (local $a'14 v128) (local $a'15 v128) (local $a'16 v128) (local $a''0 v128) (local $a''1 v128) (local $a''2 v128) (local $a''3 v128) (local $a''4 v128) (local $a''5 v128) (local $a''6 v128) (local $a''7 v128) (local $a''8 v128) (local $a''11 v128) (local $a''12 v128) (local $a''13 v128) (local $a''14 v128) (local $a''15 v128) (local $a''16 v128) (local $a'''0 v128) (local $a'''1 v128) (local $a'''2 v128) (local $a'''3 v128) (local $a'''4 v128) (local $a'''5 v128) (local $a'''6 v128) (local $a'''7 v128) (local $a'''8 v128) (local $a'''11 v128) (local $a'''12 v128) (local $a'''13 v128) (local $a'''14 v128) (local $a'''15 v128) (local $a'''16 v128) (local $r0 v128) (local $r1 v128) (local $r2 v128) (local $r3 v128) (local $r4 v128) (local $r6 v128) (local $r7 v128) (local $r8 v128) (local $r9 v128) (local $r10 v128) (local $r11 v128) (local $r12 v128) (local $r13 v128) (local $r14 v128) (local $r15 v128) (local $r17 v128) (local $r18 v128) (local $r19 v128) (local $r20 v128) (local $r21 v128) (local $r22 v128) (local $r23 v128) (local $r24 v128) (local $r25 v128) (local $r26 v128) (local $r27 v128) (local $r28 v128) (local $r29 v128) (local $r'0 v128) (local $r'1 v128) (local $r'2 v128) (local $r'3 v128) (local $r'4 v128) (local $r'6 v128) (local $r'7 v128) (local $r'8 v128) (local $r'9 v128) (local $r'10 v128) (local $r'11 v128) (local $r'12 v128) (local $r'13 v128) (local $r'14 v128) (local $r'15 v128) (local $r'17 v128) (local $r'18 v128) (local $r'19 v128) (local $r'20 v128) (local $r'21 v128) (local $r'22 v128) (local $r'23 v128) (local $r'24 v128) (local $r'25 v128) (local $r'26 v128) (local $r'27 v128) (local $r'28 v128) (local $r'29 v128) (local $r''0 v128) (local $r''1 v128) (local $r''2 v128) (local $r''3 v128) (local $r''4 v128) (local $r''6 v128) (local $r''7 v128) (local $r''8 v128) (local $r''9 v128) (local $r''10 v128) (local $r''11 v128) (local $r''12 v128) (local $r''13 v128) (local $r''14 v128) (local $r''15 v128) (local $r''17 v128) (local $r''18 v128) (local $r''19 v128) (local $r''20 v128) (local $r''21 v128) (local $r''22 v128) (local $r''23 v128) (local $r''24 v128) (local $r''25 v128) (local $r''26 v128) (local $r''27 v128) (local $r''28 v128) (local $r''29 v128) (local $r'''0 v128) (local $r'''1 v128) (local $r'''2 v128) (local $r'''3 v128) (local $r'''4 v128) (local $r'''6 v128) (local $r'''7 v128) (local $r'''8 v128) (local $r'''9 v128) (local $r'''10 v128) (local $r'''11 v128) (local $r'''12 v128) (local $r'''13 v128) (local $r'''14 v128) (local $r'''15 v128) (local $r'''17 v128) (local $r'''18 v128) (local $r'''19 v128) (local $r'''20 v128) (local $r'''21 v128) (local $r'''22 v128) (local $r'''23 v128) (local $r'''24 v128) (local $r'''25 v128) (local $r'''26 v128) (local $r'''27 v128) (local $r'''28 v128) (local $r'''29 v128) (local $w0 v128) (local $w'0 v128) (local $w''0 v128) (local $w'''0 v128) (local $e0 v128) (local $e'0 v128) (local $e''0 v128) (local $e'''0 v128) (local $k0 v128) (local $k2 v128) (local $l0 v128) (local $l1 v128) (local $const0 v128) (local $const1 v128)
    (v128.store offset=594432 (local.get $scratch) (v128.const f32x4 1 1 1 1))
    (local.set $const0 (v128.load offset=594432 (local.get $scratch)))
    (v128.store offset=594448 (local.get $scratch) (v128.const f32x4 3.1415927410125732 3.1415927410125732 3.1415927410125732 3.1415927410125732))
    (local.set $const1 (v128.load offset=594448 (local.get $scratch)))
    (local.set $l0 (v128.load32_splat (local.get $p.decay)))  ;; param decay
    (local.set $l1 (v128.load32_splat (local.get $p.rho)))  ;; param rho
    (local.set $k0 (local.get $l0))
    (local.set $k2 (local.get $l1))
    (local.set $stride (i32.shl (local.get $size) (i32.const 2)))
    (local.set $n (local.get $begin))
    (block $done (loop $tiles
      (br_if $done (i32.ge_s (local.get $n) (local.get $end)))
      (local.set $count (i32.and (i32.sub (local.get $end) (local.get $n)) (i32.const -16)))
      (if (i32.gt_s (local.get $count) (i32.const 2048)) (then (local.set $count (i32.const 2048))))
      (local.set $next (i32.add (local.get $n) (local.get $count)))
      (if (i32.eqz (local.get $count)) (then ;; the remainder: the last 16 neurons
        (local.set $next (local.get $end))
        (local.set $n (i32.sub (local.get $size) (i32.const 16)))
        (local.set $count (i32.const 16))))
      (local.set $bytes (i32.shl (local.get $count) (i32.const 2)))
      (local.set $first (i32.shl (local.get $n) (i32.const 2)))
      (local.set $c (i32.shl (i32.rem_u (local.get $n) (local.get $channels)) (i32.const 2)))
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (i32.store offset=586176 (local.get $s) (i32.load (i32.add (local.get $p.beta) (local.get $c))))
        (local.set $c (i32.add (local.get $c) (i32.const 4)))
        (if (i32.eq (local.get $c) (i32.shl (local.get $channels) (i32.const 2))) (then (local.set $c (i32.const 0))))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $bytes)))
      )
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (local.set $w0 (v128.load offset=586176 (local.get $s)))  ;; param beta
        (local.set $w'0 (v128.load offset=586192 (local.get $s)))  ;; param beta
        (local.set $w''0 (v128.load offset=586208 (local.get $s)))  ;; param beta
        (local.set $w'''0 (v128.load offset=586224 (local.get $s)))  ;; param beta
        (v128.store offset=561408 (local.get $s) (local.get $w0))
        (v128.store offset=561424 (local.get $s) (local.get $w'0))
        (v128.store offset=561440 (local.get $s) (local.get $w''0))
        (v128.store offset=561456 (local.get $s) (local.get $w'''0))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
      )
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (v128.store offset=569664 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=569680 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=569696 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=569712 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=577920 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=577936 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=577952 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=577968 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=24768 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=24784 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=24800 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=24816 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16512 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16528 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16544 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16560 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=8256 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=8272 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=8288 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=8304 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=0 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=16 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=32 (local.get $s) (v128.const f32x4 0 0 0 0))
        (v128.store offset=48 (local.get $s) (v128.const f32x4 0 0 0 0))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
      )
      (local.set $chunk (i32.div_u (i32.sub (local.get $steps) (i32.const 1)) (i32.const 32)))
      (block $end (loop $steps
        (br_if $end (i32.lt_s (local.get $chunk) (i32.const 0)))
        (local.set $t0 (i32.mul (local.get $chunk) (i32.const 32)))
        (local.set $t1 (i32.add (local.get $t0) (i32.const 32)))
        (if (i32.gt_s (local.get $t1) (local.get $steps)) (then (local.set $t1 (local.get $steps))))
        (if (i32.and (i32.lt_u (local.get $count) (i32.const 1024)) (i32.gt_u (local.get $count) (i32.const 16))) (then
          (local.set $rows (i32.const 1))
          (if (i32.eq (local.get $count) (local.get $size)) (then (local.set $rows (i32.sub (local.get $t1) (local.get $t0)))))
          (local.set $r (local.get $t0))
          (loop $runs
            (local.set $row.x (i32.add (local.get $p.x) (i32.shl (i32.add (i32.mul (local.get $r) (local.get $size)) (local.get $n)) (i32.const 2))))
            (local.set $row.d.spike (i32.add (local.get $p.d.spike) (i32.shl (i32.add (i32.mul (local.get $r) (local.get $size)) (local.get $n)) (i32.const 2))))
            (local.set $row.grad.x (i32.add (local.get $p.grad.x) (i32.shl (i32.add (i32.mul (local.get $r) (local.get $size)) (local.get $n)) (i32.const 2))))
            (local.set $i (i32.const 0))
            (loop $each
              (local.set $s (i32.add (local.get $scratch) (local.get $i)))
              (drop (i32.load8_u (i32.add (local.get $row.x) (local.get $i))))
              (drop (i32.load8_u (i32.add (local.get $row.d.spike) (local.get $i))))
              (drop (i32.load8_u (i32.add (local.get $row.grad.x) (local.get $i))))
              (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (i32.mul (local.get $rows) (local.get $bytes))))
            )
            (br_if $runs (i32.lt_s (local.tee $r (i32.add (local.get $r) (local.get $rows))) (local.get $t1)))
          )
        ))
        (local.set $trajectory (i32.add (i32.add (local.get $scratch) (i32.const 33024)) (i32.mul (i32.sub (local.get $t0) (local.get $t0)) (i32.const 16512))))
        (local.set $i (i32.const 0))
        (loop $each
          (local.set $s (i32.add (local.get $scratch) (local.get $i)))
          (local.set $v (i32.add (local.get $trajectory) (local.get $i)))
          (v128.store offset=16 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=16 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=32 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=32 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=48 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=48 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=0 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=0 (i32.add (i32.add (i32.add (local.get $p.checkpoint.v) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=8272 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=16 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=8288 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=32 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=8304 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=48 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (v128.store offset=8256 (local.get $v) (if (result v128) (local.get $chunk) (then (v128.load offset=0 (i32.add (i32.add (i32.add (local.get $p.checkpoint.a) (i32.mul (i32.sub (local.get $chunk) (i32.const 1)) (local.get $stride))) (local.get $first)) (local.get $i)))) (else (v128.const f32x4 0 0 0 0))))
          (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
        )
        (local.set $t (local.get $t0))
        (block $end (loop $steps
          (br_if $end (i32.ge_s (local.get $t) (i32.sub (local.get $t1) (i32.const 1))))
          (local.set $row.x (i32.add (local.get $p.x) (i32.shl (i32.add (i32.mul (local.get $t) (local.get $size)) (local.get $n)) (i32.const 2))))
          (local.set $i (i32.const 0))
          (loop $each
            (local.set $s (i32.add (local.get $scratch) (local.get $i)))
            (local.set $v (i32.add (local.get $trajectory) (local.get $i)))
            (local.set $a'0 (v128.load offset=16 (local.get $v)))  ;; state v
            (local.set $a''0 (v128.load offset=32 (local.get $v)))  ;; state v
            (local.set $a'''0 (v128.load offset=48 (local.get $v)))  ;; state v
            (local.set $a0 (v128.load offset=0 (local.get $v)))  ;; state v
            (local.set $a'1 (local.get $k0))  ;; invariant k0
            (local.set $a''1 (local.get $k0))  ;; invariant k0
            (local.set $a'''1 (local.get $k0))  ;; invariant k0
            (local.set $a1 (local.get $k0))  ;; invariant k0
            (local.set $a'2 (f32x4.mul (local.get $a'0) (local.get $a'1)))
            (local.set $a''2 (f32x4.mul (local.get $a''0) (local.get $a''1)))
            (local.set $a'''2 (f32x4.mul (local.get $a'''0) (local.get $a'''1)))
            (local.set $a2 (f32x4.mul (local.get $a0) (local.get $a1)))
            (local.set $a'3 (v128.load offset=16 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $a''3 (v128.load offset=32 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $a'''3 (v128.load offset=48 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $a3 (v128.load offset=0 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $a'4 (f32x4.add (local.get $a'2) (local.get $a'3)))
            (local.set $a''4 (f32x4.add (local.get $a''2) (local.get $a''3)))
            (local.set $a'''4 (f32x4.add (local.get $a'''2) (local.get $a'''3)))
            (local.set $a4 (f32x4.add (local.get $a2) (local.get $a3)))
            (local.set $a'5 (v128.load offset=8272 (local.get $v)))  ;; state a
            (local.set $a''5 (v128.load offset=8288 (local.get $v)))  ;; state a
            (local.set $a'''5 (v128.load offset=8304 (local.get $v)))  ;; state a
            (local.set $a5 (v128.load offset=8256 (local.get $v)))  ;; state a
            (local.set $a'6 (v128.load offset=561424 (local.get $s)))  ;; invariant k1
            (local.set $a''6 (v128.load offset=561440 (local.get $s)))  ;; invariant k1
            (local.set $a'''6 (v128.load offset=561456 (local.get $s)))  ;; invariant k1
            (local.set $a6 (v128.load offset=561408 (local.get $s)))  ;; invariant k1
            (local.set $a'7 (f32x4.mul (local.get $a'5) (local.get $a'6)))
            (local.set $a''7 (f32x4.mul (local.get $a''5) (local.get $a''6)))
            (local.set $a'''7 (f32x4.mul (local.get $a'''5) (local.get $a'''6)))
            (local.set $a7 (f32x4.mul (local.get $a5) (local.get $a6)))
            (local.set $a'8 (f32x4.sub (local.get $a'4) (local.get $a'7)))
            (local.set $a''8 (f32x4.sub (local.get $a''4) (local.get $a''7)))
            (local.set $a'''8 (f32x4.sub (local.get $a'''4) (local.get $a'''7)))
            (local.set $a8 (f32x4.sub (local.get $a4) (local.get $a7)))
            (local.set $a'11 (f32x4.ge (local.get $a'8) (local.get $const0)))
            (local.set $a''11 (f32x4.ge (local.get $a''8) (local.get $const0)))
            (local.set $a'''11 (f32x4.ge (local.get $a'''8) (local.get $const0)))
            (local.set $a11 (f32x4.ge (local.get $a8) (local.get $const0)))
            (local.set $a'12 (v128.and (local.get $const0) (local.get $a'11)))
            (local.set $a''12 (v128.and (local.get $const0) (local.get $a''11)))
            (local.set $a'''12 (v128.and (local.get $const0) (local.get $a'''11)))
            (local.set $a12 (v128.and (local.get $const0) (local.get $a11)))
            (local.set $a'13 (f32x4.sub (local.get $a'4) (local.get $a'12)))
            (local.set $a''13 (f32x4.sub (local.get $a''4) (local.get $a''12)))
            (local.set $a'''13 (f32x4.sub (local.get $a'''4) (local.get $a'''12)))
            (local.set $a13 (f32x4.sub (local.get $a4) (local.get $a12)))
            (local.set $a'14 (local.get $k2))  ;; invariant k2
            (local.set $a''14 (local.get $k2))  ;; invariant k2
            (local.set $a'''14 (local.get $k2))  ;; invariant k2
            (local.set $a14 (local.get $k2))  ;; invariant k2
            (local.set $a'15 (f32x4.mul (local.get $a'5) (local.get $a'14)))
            (local.set $a''15 (f32x4.mul (local.get $a''5) (local.get $a''14)))
            (local.set $a'''15 (f32x4.mul (local.get $a'''5) (local.get $a'''14)))
            (local.set $a15 (f32x4.mul (local.get $a5) (local.get $a14)))
            (local.set $a'16 (f32x4.add (local.get $a'15) (local.get $a'12)))
            (local.set $a''16 (f32x4.add (local.get $a''15) (local.get $a''12)))
            (local.set $a'''16 (f32x4.add (local.get $a'''15) (local.get $a'''12)))
            (local.set $a16 (f32x4.add (local.get $a15) (local.get $a12)))
            (v128.store offset=16528 (local.get $v) (local.get $a'13))
            (v128.store offset=16544 (local.get $v) (local.get $a''13))
            (v128.store offset=16560 (local.get $v) (local.get $a'''13))
            (v128.store offset=16512 (local.get $v) (local.get $a13))
            (v128.store offset=24784 (local.get $v) (local.get $a'16))
            (v128.store offset=24800 (local.get $v) (local.get $a''16))
            (v128.store offset=24816 (local.get $v) (local.get $a'''16))
            (v128.store offset=24768 (local.get $v) (local.get $a16))
            (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
          )
          (local.set $trajectory (i32.add (local.get $trajectory) (i32.const 16512)))
          (local.set $t (i32.add (local.get $t) (i32.const 1)))
          (br $steps)
        ))
        (local.set $t (i32.sub (local.get $t1) (i32.const 1)))
        (block $end (loop $steps
          (br_if $end (i32.lt_s (local.get $t) (local.get $t0)))
          (local.set $trajectory (i32.add (i32.add (local.get $scratch) (i32.const 33024)) (i32.mul (i32.sub (local.get $t) (local.get $t0)) (i32.const 16512))))
          (local.set $row.x (i32.add (local.get $p.x) (i32.shl (i32.add (i32.mul (local.get $t) (local.get $size)) (local.get $n)) (i32.const 2))))
          (local.set $row.d.spike (i32.add (local.get $p.d.spike) (i32.shl (i32.add (i32.mul (local.get $t) (local.get $size)) (local.get $n)) (i32.const 2))))
          (local.set $row.grad.x (i32.add (local.get $p.grad.x) (i32.shl (i32.add (i32.mul (local.get $t) (local.get $size)) (local.get $n)) (i32.const 2))))
          (local.set $i (i32.const 0))
          (loop $each
            (local.set $s (i32.add (local.get $scratch) (local.get $i)))
            (local.set $v (i32.add (local.get $trajectory) (local.get $i)))
            (local.set $r'0 (v128.load offset=569680 (local.get $s)))  ;; adjoint v
            (local.set $r''0 (v128.load offset=569696 (local.get $s)))  ;; adjoint v
            (local.set $r'''0 (v128.load offset=569712 (local.get $s)))  ;; adjoint v
            (local.set $r0 (v128.load offset=569664 (local.get $s)))  ;; adjoint v
            (local.set $r'1 (v128.load offset=16 (i32.add (local.get $row.d.spike) (local.get $i))))  ;; seed spike
            (local.set $r''1 (v128.load offset=32 (i32.add (local.get $row.d.spike) (local.get $i))))  ;; seed spike
            (local.set $r'''1 (v128.load offset=48 (i32.add (local.get $row.d.spike) (local.get $i))))  ;; seed spike
            (local.set $r1 (v128.load offset=0 (i32.add (local.get $row.d.spike) (local.get $i))))  ;; seed spike
            (local.set $r'2 (v128.load offset=577936 (local.get $s)))  ;; adjoint a
            (local.set $r''2 (v128.load offset=577952 (local.get $s)))  ;; adjoint a
            (local.set $r'''2 (v128.load offset=577968 (local.get $s)))  ;; adjoint a
            (local.set $r2 (v128.load offset=577920 (local.get $s)))  ;; adjoint a
            (local.set $r'3 (f32x4.add (local.get $r'1) (local.get $r'2)))
            (local.set $r''3 (f32x4.add (local.get $r''1) (local.get $r''2)))
            (local.set $r'''3 (f32x4.add (local.get $r'''1) (local.get $r'''2)))
            (local.set $r3 (f32x4.add (local.get $r1) (local.get $r2)))
            (local.set $r'4 (f32x4.sub (local.get $r'3) (local.get $r'0)))
            (local.set $r''4 (f32x4.sub (local.get $r''3) (local.get $r''0)))
            (local.set $r'''4 (f32x4.sub (local.get $r'''3) (local.get $r'''0)))
            (local.set $r4 (f32x4.sub (local.get $r3) (local.get $r0)))
            (local.set $r'6 (v128.load offset=16 (local.get $v)))  ;; state v
            (local.set $r''6 (v128.load offset=32 (local.get $v)))  ;; state v
            (local.set $r'''6 (v128.load offset=48 (local.get $v)))  ;; state v
            (local.set $r6 (v128.load offset=0 (local.get $v)))  ;; state v
            (local.set $r'7 (local.get $k0))  ;; invariant k0
            (local.set $r''7 (local.get $k0))  ;; invariant k0
            (local.set $r'''7 (local.get $k0))  ;; invariant k0
            (local.set $r7 (local.get $k0))  ;; invariant k0
            (local.set $r'8 (f32x4.mul (local.get $r'6) (local.get $r'7)))
            (local.set $r''8 (f32x4.mul (local.get $r''6) (local.get $r''7)))
            (local.set $r'''8 (f32x4.mul (local.get $r'''6) (local.get $r'''7)))
            (local.set $r8 (f32x4.mul (local.get $r6) (local.get $r7)))
            (local.set $r'9 (v128.load offset=16 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $r''9 (v128.load offset=32 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $r'''9 (v128.load offset=48 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $r9 (v128.load offset=0 (i32.add (local.get $row.x) (local.get $i))))  ;; input x
            (local.set $r'10 (f32x4.add (local.get $r'8) (local.get $r'9)))
            (local.set $r''10 (f32x4.add (local.get $r''8) (local.get $r''9)))
            (local.set $r'''10 (f32x4.add (local.get $r'''8) (local.get $r'''9)))
            (local.set $r10 (f32x4.add (local.get $r8) (local.get $r9)))
            (local.set $r'11 (v128.load offset=8272 (local.get $v)))  ;; state a
            (local.set $r''11 (v128.load offset=8288 (local.get $v)))  ;; state a
            (local.set $r'''11 (v128.load offset=8304 (local.get $v)))  ;; state a
            (local.set $r11 (v128.load offset=8256 (local.get $v)))  ;; state a
            (local.set $r'12 (v128.load offset=561424 (local.get $s)))  ;; invariant k1
            (local.set $r''12 (v128.load offset=561440 (local.get $s)))  ;; invariant k1
            (local.set $r'''12 (v128.load offset=561456 (local.get $s)))  ;; invariant k1
            (local.set $r12 (v128.load offset=561408 (local.get $s)))  ;; invariant k1
            (local.set $r'13 (f32x4.mul (local.get $r'11) (local.get $r'12)))
            (local.set $r''13 (f32x4.mul (local.get $r''11) (local.get $r''12)))
            (local.set $r'''13 (f32x4.mul (local.get $r'''11) (local.get $r'''12)))
            (local.set $r13 (f32x4.mul (local.get $r11) (local.get $r12)))
            (local.set $r'14 (f32x4.sub (local.get $r'10) (local.get $r'13)))
            (local.set $r''14 (f32x4.sub (local.get $r''10) (local.get $r''13)))
            (local.set $r'''14 (f32x4.sub (local.get $r'''10) (local.get $r'''13)))
            (local.set $r14 (f32x4.sub (local.get $r10) (local.get $r13)))
            (local.set $r'15 (f32x4.sub (local.get $r'14) (local.get $const0)))
            (local.set $r''15 (f32x4.sub (local.get $r''14) (local.get $const0)))
            (local.set $r'''15 (f32x4.sub (local.get $r'''14) (local.get $const0)))
            (local.set $r15 (f32x4.sub (local.get $r14) (local.get $const0)))
            (local.set $r'17 (f32x4.mul (local.get $r'15) (local.get $const1)))
            (local.set $r''17 (f32x4.mul (local.get $r''15) (local.get $const1)))
            (local.set $r'''17 (f32x4.mul (local.get $r'''15) (local.get $const1)))
            (local.set $r17 (f32x4.mul (local.get $r15) (local.get $const1)))
            (local.set $r'18 (f32x4.mul (local.get $r'17) (local.get $r'17)))
            (local.set $r''18 (f32x4.mul (local.get $r''17) (local.get $r''17)))
            (local.set $r'''18 (f32x4.mul (local.get $r'''17) (local.get $r'''17)))
            (local.set $r18 (f32x4.mul (local.get $r17) (local.get $r17)))
            (local.set $r'19 (f32x4.add (local.get $r'18) (local.get $const0)))
            (local.set $r''19 (f32x4.add (local.get $r''18) (local.get $const0)))
            (local.set $r'''19 (f32x4.add (local.get $r'''18) (local.get $const0)))
            (local.set $r19 (f32x4.add (local.get $r18) (local.get $const0)))
            (local.set $r'20 (f32x4.div (local.get $const0) (local.get $r'19)))
            (local.set $r''20 (f32x4.div (local.get $const0) (local.get $r''19)))
            (local.set $r'''20 (f32x4.div (local.get $const0) (local.get $r'''19)))
            (local.set $r20 (f32x4.div (local.get $const0) (local.get $r19)))
            (local.set $r'21 (f32x4.mul (local.get $r'4) (local.get $r'20)))
            (local.set $r''21 (f32x4.mul (local.get $r''4) (local.get $r''20)))
            (local.set $r'''21 (f32x4.mul (local.get $r'''4) (local.get $r'''20)))
            (local.set $r21 (f32x4.mul (local.get $r4) (local.get $r20)))
            (local.set $r'22 (f32x4.add (local.get $r'0) (local.get $r'21)))
            (local.set $r''22 (f32x4.add (local.get $r''0) (local.get $r''21)))
            (local.set $r'''22 (f32x4.add (local.get $r'''0) (local.get $r'''21)))
            (local.set $r22 (f32x4.add (local.get $r0) (local.get $r21)))
            (local.set $r'23 (f32x4.mul (local.get $r'22) (local.get $r'7)))
            (local.set $r''23 (f32x4.mul (local.get $r''22) (local.get $r''7)))
            (local.set $r'''23 (f32x4.mul (local.get $r'''22) (local.get $r'''7)))
            (local.set $r23 (f32x4.mul (local.get $r22) (local.get $r7)))
            (local.set $r'24 (local.get $k2))  ;; invariant k2
            (local.set $r''24 (local.get $k2))  ;; invariant k2
            (local.set $r'''24 (local.get $k2))  ;; invariant k2
            (local.set $r24 (local.get $k2))  ;; invariant k2
            (local.set $r'25 (f32x4.mul (local.get $r'2) (local.get $r'24)))
            (local.set $r''25 (f32x4.mul (local.get $r''2) (local.get $r''24)))
            (local.set $r'''25 (f32x4.mul (local.get $r'''2) (local.get $r'''24)))
            (local.set $r25 (f32x4.mul (local.get $r2) (local.get $r24)))
            (local.set $r'26 (f32x4.neg (local.get $r'21)))
            (local.set $r''26 (f32x4.neg (local.get $r''21)))
            (local.set $r'''26 (f32x4.neg (local.get $r'''21)))
            (local.set $r26 (f32x4.neg (local.get $r21)))
            (local.set $r'27 (f32x4.mul (local.get $r'26) (local.get $r'12)))
            (local.set $r''27 (f32x4.mul (local.get $r''26) (local.get $r''12)))
            (local.set $r'''27 (f32x4.mul (local.get $r'''26) (local.get $r'''12)))
            (local.set $r27 (f32x4.mul (local.get $r26) (local.get $r12)))
            (local.set $r'28 (f32x4.add (local.get $r'25) (local.get $r'27)))
            (local.set $r''28 (f32x4.add (local.get $r''25) (local.get $r''27)))
            (local.set $r'''28 (f32x4.add (local.get $r'''25) (local.get $r'''27)))
            (local.set $r28 (f32x4.add (local.get $r25) (local.get $r27)))
            (local.set $r'29 (f32x4.mul (local.get $r'26) (local.get $r'11)))
            (local.set $r''29 (f32x4.mul (local.get $r''26) (local.get $r''11)))
            (local.set $r'''29 (f32x4.mul (local.get $r'''26) (local.get $r'''11)))
            (local.set $r29 (f32x4.mul (local.get $r26) (local.get $r11)))
            (v128.store offset=16 (i32.add (local.get $row.grad.x) (local.get $i)) (local.get $r'22))
            (v128.store offset=32 (i32.add (local.get $row.grad.x) (local.get $i)) (local.get $r''22))
            (v128.store offset=48 (i32.add (local.get $row.grad.x) (local.get $i)) (local.get $r'''22))
            (v128.store offset=0 (i32.add (local.get $row.grad.x) (local.get $i)) (local.get $r22))
            (v128.store offset=569680 (local.get $s) (local.get $r'23))
            (v128.store offset=569696 (local.get $s) (local.get $r''23))
            (v128.store offset=569712 (local.get $s) (local.get $r'''23))
            (v128.store offset=569664 (local.get $s) (local.get $r23))
            (v128.store offset=577936 (local.get $s) (local.get $r'28))
            (v128.store offset=577952 (local.get $s) (local.get $r''28))
            (v128.store offset=577968 (local.get $s) (local.get $r'''28))
            (v128.store offset=577920 (local.get $s) (local.get $r28))
            (v128.store offset=24784 (local.get $s) (f32x4.add (v128.load offset=24784 (local.get $s)) (local.get $r'29)))
            (v128.store offset=24800 (local.get $s) (f32x4.add (v128.load offset=24800 (local.get $s)) (local.get $r''29)))
            (v128.store offset=24816 (local.get $s) (f32x4.add (v128.load offset=24816 (local.get $s)) (local.get $r'''29)))
            (v128.store offset=24768 (local.get $s) (f32x4.add (v128.load offset=24768 (local.get $s)) (local.get $r29)))
            (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
          )
          (local.set $t (i32.sub (local.get $t) (i32.const 1)))
          (br $steps)
        ))
        (local.set $i (i32.const 0))
        (loop $each
          (local.set $s (i32.add (local.get $scratch) (local.get $i)))
          (v128.store offset=16512 (local.get $s) (f32x4.add (v128.load offset=16512 (local.get $s)) (v128.load offset=24768 (local.get $s))))
          (v128.store offset=16528 (local.get $s) (f32x4.add (v128.load offset=16528 (local.get $s)) (v128.load offset=24784 (local.get $s))))
          (v128.store offset=16544 (local.get $s) (f32x4.add (v128.load offset=16544 (local.get $s)) (v128.load offset=24800 (local.get $s))))
          (v128.store offset=16560 (local.get $s) (f32x4.add (v128.load offset=16560 (local.get $s)) (v128.load offset=24816 (local.get $s))))
          (v128.store offset=24768 (local.get $s) (v128.const f32x4 0 0 0 0))
          (v128.store offset=24784 (local.get $s) (v128.const f32x4 0 0 0 0))
          (v128.store offset=24800 (local.get $s) (v128.const f32x4 0 0 0 0))
          (v128.store offset=24816 (local.get $s) (v128.const f32x4 0 0 0 0))
          (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
        )
        (if (i32.eqz (i32.rem_u (local.get $chunk) (i32.const 64))) (then
          (local.set $i (i32.const 0))
          (loop $each
            (local.set $s (i32.add (local.get $scratch) (local.get $i)))
            (v128.store offset=8256 (local.get $s) (f32x4.add (v128.load offset=8256 (local.get $s)) (v128.load offset=16512 (local.get $s))))
            (v128.store offset=8272 (local.get $s) (f32x4.add (v128.load offset=8272 (local.get $s)) (v128.load offset=16528 (local.get $s))))
            (v128.store offset=8288 (local.get $s) (f32x4.add (v128.load offset=8288 (local.get $s)) (v128.load offset=16544 (local.get $s))))
            (v128.store offset=8304 (local.get $s) (f32x4.add (v128.load offset=8304 (local.get $s)) (v128.load offset=16560 (local.get $s))))
            (v128.store offset=16512 (local.get $s) (v128.const f32x4 0 0 0 0))
            (v128.store offset=16528 (local.get $s) (v128.const f32x4 0 0 0 0))
            (v128.store offset=16544 (local.get $s) (v128.const f32x4 0 0 0 0))
            (v128.store offset=16560 (local.get $s) (v128.const f32x4 0 0 0 0))
            (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
          )
          (if (i32.eqz (i32.rem_u (local.get $chunk) (i32.const 4096))) (then
            (local.set $i (i32.const 0))
            (loop $each
              (local.set $s (i32.add (local.get $scratch) (local.get $i)))
              (v128.store offset=0 (local.get $s) (f32x4.add (v128.load offset=0 (local.get $s)) (v128.load offset=8256 (local.get $s))))
              (v128.store offset=16 (local.get $s) (f32x4.add (v128.load offset=16 (local.get $s)) (v128.load offset=8272 (local.get $s))))
              (v128.store offset=32 (local.get $s) (f32x4.add (v128.load offset=32 (local.get $s)) (v128.load offset=8288 (local.get $s))))
              (v128.store offset=48 (local.get $s) (f32x4.add (v128.load offset=48 (local.get $s)) (v128.load offset=8304 (local.get $s))))
              (v128.store offset=8256 (local.get $s) (v128.const f32x4 0 0 0 0))
              (v128.store offset=8272 (local.get $s) (v128.const f32x4 0 0 0 0))
              (v128.store offset=8288 (local.get $s) (v128.const f32x4 0 0 0 0))
              (v128.store offset=8304 (local.get $s) (v128.const f32x4 0 0 0 0))
              (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
            )
          ))
        ))
        (local.set $chunk (i32.sub (local.get $chunk) (i32.const 1)))
        (br $steps)
      ))
      (local.set $i (i32.const 0))
      (loop $each
        (local.set $s (i32.add (local.get $scratch) (local.get $i)))
        (local.set $e0 (v128.load offset=0 (local.get $s)))  ;; accumulated k1
        (local.set $e'0 (v128.load offset=16 (local.get $s)))  ;; accumulated k1
        (local.set $e''0 (v128.load offset=32 (local.get $s)))  ;; accumulated k1
        (local.set $e'''0 (v128.load offset=48 (local.get $s)))  ;; accumulated k1
        (v128.store offset=0 (i32.add (i32.add (local.get $p.grad.beta) (local.get $first)) (local.get $i)) (local.get $e0))
        (v128.store offset=16 (i32.add (i32.add (local.get $p.grad.beta) (local.get $first)) (local.get $i)) (local.get $e'0))
        (v128.store offset=32 (i32.add (i32.add (local.get $p.grad.beta) (local.get $first)) (local.get $i)) (local.get $e''0))
        (v128.store offset=48 (i32.add (i32.add (local.get $p.grad.beta) (local.get $first)) (local.get $i)) (local.get $e'''0))
        (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 64))) (local.get $bytes)))
      )
      (local.set $n (local.get $next))
      (br $tiles)
    ))
  )
)