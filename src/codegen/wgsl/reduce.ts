/**
 * WGSL of the second pass of a parameter's gradient: x [rows, columns] → y [groups, columns], entry point `sumRows`, bindings x, y, uniform (u32:
 * rows, columns, groups, threads of a row of the 2-D grid). Thread i adds elements i, i + groups·columns, …: neighbours read neighbours, and which
 * terms meet in which order depends on the shape alone. Run again on y until one group is left; some 64 terms a thread keep a long sum's
 * threads many and its error small.
 */
export const sumRowsWgsl = `struct Launch {
  rows: u32,
  columns: u32,
  groups: u32,
  row: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> launch: Launch;

@compute @workgroup_size(64)
fn sumRows(@builtin(global_invocation_id) id: vec3u) {
  let thread = id.y * launch.row + id.x;
  let stride = launch.groups * launch.columns;
  if (thread >= stride) { return; }
  var sum = 0.0f;
  for (var at = thread; at < launch.rows * launch.columns; at += stride) { sum += x[at]; }
  y[thread] = sum;
}
`;
