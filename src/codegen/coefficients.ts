// Numbers of which targets without functions of the accuracy wanted make their own. Polynomials are of least maximum relative error of the function, by Remez
// exchange in 50-digit arithmetic, then rounded to f32; coefficients ascend. The error given with each is that of the polynomial alone.

/** The first 15 bits of ln 2 (times |n| ≤ 150 it is exact), and the rest. */
export const LN2_HIGH = 22713 / 2 ** 15;
export const LN2_LOW = Math.fround(1.428606820309417e-6);
export const LOG2E = Math.fround(Math.LOG2E);
/** e^r to 2^−23.4. */
export const EXP = [1, 0.9999997019767761, 0.4999914765357971, 0.1666763722896576, 0.04189806804060936, 0.008290288969874382];
/** (e^r − 1 − r) / r² on |r| ≤ ½ ln 2: e^r − 1 to 2^−26.2. */
export const EXPM1 = [0.4999999701976776, 0.1666654348373413, 0.04166720062494278, 0.008366533555090427, 0.0013882521307095885];
/** (2·artanh(s)/s − 2) / s² in s²: 2^−30.2 on |s| ≤ 3 − 2√2. */
export const LOG = [0.6666677594184875, 0.39977532625198364, 0.29872000217437744];
export const SQRT_HALF_BITS = "0x3f3504f3";
/** erf(x)/x in x²: 2^−24.6 on |x| ≤ 1. */
export const ERF = [1.1283791224945372, -0.3761232618955659, 0.11280180131759042, -0.02671131179496939, 0.004917551899835458, -0.0005631423807977208];
/** erfc(x)^(1/16): erf to 2^−25.5 on 1 ≤ x ≤ 3.95; from there on, 1 is the nearest f32 to erf. */
export const ERFC_ROOT = [0.9999690177042819, -0.07048431167755567, -0.03713840742255702, -0.004170888387193677, 0.002934185181346281, -0.00027842364772403226];
/** π in four terms: the first three have at most nine bits, so that their products with |n| < 2¹⁵ are exact. */
export const PI = [201 / 2 ** 6, 507 / 2 ** 19, 337 / 2 ** 29, Math.fround(1.2154201013012384e-10)];
/** sin(r)/r in r² to 2^−27.3 on |r| ≤ ½π + 0.001. */
export const SIN = [1, -0.16666659712791443, 0.008333065547049046, -0.00019809520745184273, 2.605590225357446e-6];
/** atan(r)/r in r² to 2^−25.8 on |r| ≤ 1. */
export const ATAN = [1, -0.33333152532577515, 0.19993773102760315, -0.14211055636405945, 0.10666004568338394, -0.07552213966846466, 0.043211862444877625, -0.016367929056286812, 0.00292069255374372];
