const keywords = `False None True and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or
  pass raise return try type while with yield`;
/** What the text of a module calls by its bare name. */
const used = `Tensor ValueError TypeError ImportError RuntimeError all any bool contextlib dict enumerate float functools getattr int isinstance jax jax_triton jnp len list map math max
  min nn os range reversed set setattr sorted staticmethod str sum super tl torch triton tuple zip INPUTS INITIAL OUTPUTS PARAMETERS PIECE`;
/** Other arguments of the functions and classes. */
const options = "channel_axis channel_dim channels how learn self state step_mode trace";
/** What a module of PyTorch's has already, or gets. */
const attributes = `T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda detach double dump_patches eval extra_repr float forward get_buffer
  get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters
  register_backward_hook register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
  register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ reset set_extra_state set_submodule share_memory state_dict
  to to_empty train training type xpu zero_grad`;

/** Names that mean something already. */
export const reservedNames: ReadonlySet<string> = new Set([keywords, used, options, attributes].flatMap((words) => words.split(/\s+/)));

/** A definition's name in Python: itself, or with _ at its end where it would mean something else there. No two names become one. */
export const pythonName = (name: string): string => (reservedNames.has(name.replace(/_+$/, "")) ? `${name}_` : name);

/** The function and the two classes of a neuron: lif, Lif and LifCell. */
export function moduleNames(neuron: string): { function: string; layer: string; cell: string } {
  const name = pythonName(neuron);
  const capital = name[0].toUpperCase() + name.slice(1);
  const layer = pythonName(capital === name ? `${name}Layer` : capital);
  return { function: name, layer, cell: `${layer}Cell` };
}

/** "(a, b)", "(a,)", "()". */
export const tuple = (items: readonly string[]): string => `(${items.join(", ")}${items.length === 1 ? "," : ""})`;

export const indent = (lines: readonly string[], by = 4): string[] => lines.flatMap((line) => line.split("\n")).map((line) => (line === "" ? "" : " ".repeat(by) + line));
