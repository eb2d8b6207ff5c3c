import type { Geometry } from "../../dense/windows.ts";

/** The parameters of kernels that pass a window over images, and their values. */
export const WINDOW_PARAMS =
  "height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, windowHeight: i32, windowWidth: i32, strideY: i32, strideX: i32, padY: i32, padX: i32";

export const windowWords = ({ height, width, channels, outHeight, outWidth, window }: Geometry): number[] =>
  [height, width, channels, outHeight, outWidth, ...window.size, ...window.stride, ...window.padding];
