const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

export const milliseconds = (value: number): string => `${digits(value)} ms`;
export const times = (value: number): string => `${value >= 100 ? value.toFixed(0) : value.toFixed(1)}×`;
export const rate = (GBs: number): string => `${digits(GBs)} GB/s`;
