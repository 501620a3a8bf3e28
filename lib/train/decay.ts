const NOT_DECAYED = [/bias/, /layernorm/, /rmsnorm/, /(^|\.)norm($|\.)/, /_norm($|\.)/];

/**
 * Whether weight decay acts on a parameter of this name: on all but biases and what normalisation scales by.
 *
 * @see Trainer.get_decay_parameter_names of Transformers, whose patterns these are
 */
export const isDecayed = (name: string): boolean =>
  !NOT_DECAYED.some((pattern) => pattern.test(name.toLowerCase()));
