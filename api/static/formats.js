// Figures as people read them.

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"];
const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];

export function size(bytes) {
  const step = Math.min(SIZES.length - 1, bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0);
  return `${step ? (bytes / 1000 ** step).toFixed(1) : bytes} ${SIZES[step]}`;
}

export function seconds(count) {
  if (count < 60) return `${count < 10 ? count.toFixed(1) : Math.round(count)} s`;
  const [unit, length] = UNITS.find(([, each]) => count >= each);
  return `${(count / length).toFixed(1)} ${unit}`;
}

export function since(moment) {
  const passed = Math.max(0, (Date.now() - new Date(moment)) / 1000);
  const [unit, length] = UNITS.find(([, each]) => passed >= each) || ["s", 1];
  return `${Math.floor(passed / length)} ${unit} ago`;
}

export const many = (count, noun) => `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
