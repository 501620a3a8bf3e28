import * as tf from "@tensorflow/tfjs-core";
import { fused, hasFused } from "./native.ts";

/** The sum of a matrix's rows, [N, H] → [H]; it has no gradient. */
export const sumRows = (x: tf.Tensor): tf.Tensor =>
  hasFused() ? fused("SumRows", [x], 1)[0]! : tf.sum(x, 0);

/** The sum of the rows of x · y, number by number: twice [N, H] → [H]; it has no gradient. */
export const sumRowProducts = (x: tf.Tensor, y: tf.Tensor): tf.Tensor =>
  hasFused() ? fused("SumRowProducts", [x, y], 1)[0]! : tf.sum(tf.mul(x, y), 0);
