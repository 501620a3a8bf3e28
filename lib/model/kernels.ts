export { dropout } from "../kernels/dropout.ts";
export { crossEntropy } from "../kernels/loss.ts";
