// Fused CPU kernels, compiled at set-up and loaded by lib/device/tensorflow_kernels.ts. Each does in one pass over memory
// what the plain version in the TypeScript file of its name composes of many ops, and draws dropout from the same numbers.

#include <atomic>
#include <cstring>
#include <limits>
#include <new>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tensorflow/core/common_runtime/dma_helper.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"
#include "unsupported/Eigen/SpecialFunctions"

namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

using Sizes = absl::InlinedVector<int64_t, 4>;
using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;
template <typename T>
using RowOf = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;

// Numbers of type T as float32; what is computed of them is float32 too.
template <typename T>
auto floats(const T* x, int64_t count) {
  return Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>(x, count).template cast<float>();
}
// Rounds numbers to type T into a row.
template <typename T, typename Numbers>
void write(T* y, int64_t count, const Numbers& numbers) {
  RowOf<T>(y, count) = numbers.template cast<T>();
}
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using AlignedRow = Eigen::Map<Eigen::ArrayXf, Eigen::AlignedMax>;
template <typename T>
using MatrixOf = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using Head = Eigen::Map<MatrixOf<T>, 0, Eigen::OuterStride<>>;
template <typename T>
using ConstHead = Eigen::Map<const MatrixOf<T>, 0, Eigen::OuterStride<>>;

// One head of one text: `rows` rows from row `first` on of x [N, width], D columns from `column` on.
template <typename T>
ConstHead<T> stored_head(const T* x, int64_t first, int64_t rows, int64_t width, int64_t column, int64_t D) {
  return ConstHead<T>(x + first * width + column, rows, D, Eigen::OuterStride<>(width));
}
// The same to be read as float32: what is in bfloat16 is copied.
ConstHead<float> head(const float* x, int64_t first, int64_t rows, int64_t width, int64_t column, int64_t D) {
  return stored_head(x, first, rows, width, column, D);
}
Matrix head(const Eigen::bfloat16* x, int64_t first, int64_t rows, int64_t width, int64_t column, int64_t D) {
  return stored_head(x, first, rows, width, column, D).cast<float>();
}
// The product of two matrices as one head of a result.
template <typename Product>
void write_head(float* x, int64_t first, int64_t rows, int64_t width, int64_t column, int64_t D, const Product& y) {
  Head<float>(x + first * width + column, rows, D, Eigen::OuterStride<>(width)).noalias() = y;
}
template <typename Product>
void write_head(
    Eigen::bfloat16* x, int64_t first, int64_t rows, int64_t width, int64_t column, int64_t D, const Product& y) {
  using Rounded = Head<Eigen::bfloat16>;
  Rounded(x + first * width + column, rows, D, Eigen::OuterStride<>(width)) = Matrix(y).cast<Eigen::bfloat16>();
}

// The error of an input or an attribute.
template <typename Value>
absl::Status wrong(const std::string& op, const char* name, const std::string& must, const Value& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("Cannot run ", op, " as '", name, "' must be ", must, ": current value is ", value));
}
absl::Status wrong(OpKernelContext* context, const char* name, const std::string& must, const Tensor& value) {
  return wrong(context->op_kernel().type_string(), name, must, value.shape().DebugString());
}

// TensorFlow compares the types and the number of inputs with an op's signature, but no shapes: no memory of an input
// may be touched before one of these three has passed.
absl::Status filled(OpKernelContext* context, int i, const char* name) {
  const Tensor& x = context->input(i);
  if (x.NumElements() > 0) return absl::OkStatus();
  return wrong(context, name, "a tensor that is not empty", x);
}
absl::Status matrix(OpKernelContext* context, int i, const char* name) {
  const Tensor& x = context->input(i);
  if (x.dims() == 2 && x.NumElements() > 0) return absl::OkStatus();
  return wrong(context, name, "a matrix that is not empty", x);
}
// The sizes are no TensorShape, which ends the process where their product overflows.
absl::Status shaped(OpKernelContext* context, int i, const char* name, const Sizes& sizes) {
  const Tensor& x = context->input(i);
  if (x.shape().dim_sizes() == sizes) return absl::OkStatus();
  return wrong(context, name, absl::StrCat("[", absl::StrJoin(sizes, ","), "]"), x);
}

// Another input that has a part of an input's memory; -1 where there is none.
int sharer(OpKernelContext* context, int i) {
  const auto x = context->input(i).tensor_data();
  for (int j = 0; j < context->num_inputs(); j++) {
    const auto other = context->input(j).tensor_data();
    if (j != i && x.begin() < other.end() && other.begin() < x.end()) return j;
  }
  return -1;
}

// What a kernel writes in place may be no part of another input.
absl::Status alone(OpKernelContext* context, int i, const char* name) {
  const int j = sharer(context, i);
  if (j < 0) return absl::OkStatus();
  return wrong(context->op_kernel().type_string(), name, "a buffer of its own", absl::StrCat("that of input ", j));
}

template <typename T = float>
const T* in(OpKernelContext* context, int i) {
  return context->input(i).flat<T>().data();
}

// Null, and a failed status, where memory is short.
template <typename T = float>
T* out(OpKernelContext* context, int i, const TensorShape& shape) {
  Tensor* tensor = nullptr;
  const auto status = context->allocate_output(i, shape, &tensor);
  if (!status.ok()) context->SetStatus(status);
  return status.ok() ? tensor->flat<T>().data() : nullptr;
}

// An output of the shape of input j: in its own memory where no other tensor and no other input has that, as new memory
// costs more than the arithmetic. A tensor holds two references (TensorHandleData in eager/tensor_handle_data.h).
float* out_of(OpKernelContext* context, int i, int j) {
  const Tensor& x = context->input(j);
  auto* buffer = tensorflow::DMAHelper::buffer(const_cast<Tensor*>(&x));
  const bool is_part = buffer->root_buffer() != buffer;
  const bool is_sole = !is_part && buffer->RefCount() == 2 && buffer->OwnsMemory() && sharer(context, j) < 0;
  if (!is_sole) return out(context, i, x.shape());
  context->set_output(i, x);
  return const_cast<float*>(in(context, j));
}

// Calls work(begin, end) on TensorFlow's own threads, which no exception may leave; `cost` is a unit's in cycles.
template <typename Work>
void parallel(OpKernelContext* context, int64_t units, double cost, Work work) {
  const auto* workers = context->device()->tensorflow_cpu_worker_threads();
  const auto cycles = int64_t(std::min(cost, 1e18 / units));
  std::atomic<bool> full = false;
  tensorflow::Shard(workers->num_threads, workers->workers, units, cycles, [&](int64_t begin, int64_t end) {
    try {
      work(begin, end);
    } catch (const std::bad_alloc&) {
      full = true;
    }
  });
  if (full) throw std::bad_alloc();
}

// Dropout's factors, 0 or 1 / (1 - rate), from the numbers that StatelessRandomUniform makes of a seed
// (stateless_random_ops.cc): Philox4x32 (Salmon et al., 2011), here for eight counters at once.
class Dropout {
 public:
  Dropout(const Tensor& seed, float rate) : threshold_(std::ceil(rate * (1 << 23))) {
    const float kept = 1 / (1 - rate);
    std::memcpy(&kept_, &kept, sizeof kept);
    const auto words = seed.flat<int32_t>();
    const uint64_t low = int64_t{words(0)}, high = int64_t{words(1)};
    uint64_t counter[4] = {uint32_t(low), low >> 32, uint32_t(high), high >> 32};
    Rounds(counter, 0x3ec8f720, 0x02461e29);
    std::copy_n(counter, 4, mixed_);
  }

  // The factors of numbers `offset` to `offset + count`.
  void Fill(int64_t offset, int64_t count, float* factors) const {
    if (threshold_ == 0) return void(std::fill_n(factors, count, 1.0f));
    const int64_t end = offset + count;
    for (int64_t start = offset / 4 * 4; start < end; start += BLOCK) {
      if (start >= offset && start + BLOCK <= end) {
        Block(start / 4, factors + (start - offset));
      } else {
        float block[BLOCK];
        Block(start / 4, block);
        const int64_t from = std::max(start, offset), to = std::min(start + BLOCK, end);
        std::copy_n(block + (from - start), to - from, factors + (from - offset));
      }
    }
  }

 private:
  typedef uint64_t Lanes __attribute__((vector_size(64)));
  static constexpr int64_t LANES = 8, BLOCK = 4 * LANES;

  // The four numbers of each of eight counters.
  void Block(uint64_t first, float* factors) const {
    const Lanes counter = Lanes{0, 1, 2, 3, 4, 5, 6, 7} + first;
    Lanes bits[4] = {counter & 0xffffffff, counter >> 32, Lanes{} + mixed_[2], Lanes{} + mixed_[3]};
    Rounds(bits, mixed_[0], mixed_[1]);
    for (Lanes& x : bits) x = Lanes((x & 0x7fffff) >= threshold_) & kept_;
    const Lanes first_two = bits[0] | bits[1] << 32, last_two = bits[2] | bits[3] << 32;
    uint64_t pairs[LANES][2];
    for (int i = 0; i < LANES; i++) pairs[i][0] = first_two[i], pairs[i][1] = last_two[i];
    std::memcpy(factors, pairs, sizeof pairs);
  }

  // `Word` has 32 bits of a counter in each 64.
  template <typename Word>
  static void Rounds(Word (&counter)[4], uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9, key1 += 0xBB67AE85) {
      const Word a = counter[0] * 0xD2511F53, b = counter[2] * 0xCD9E8D57;
      counter[0] = (b >> 32) ^ counter[1] ^ uint64_t{key0}, counter[1] = b & 0xffffffff;
      counter[2] = (a >> 32) ^ counter[3] ^ uint64_t{key1}, counter[3] = a & 0xffffffff;
    }
  }

  uint64_t threshold_, kept_ = 0, mixed_[4];  // kept_ has the bits of a float
};

class Kernel : public tensorflow::OpKernel {
 public:
  explicit Kernel(OpKernelConstruction* construction) : OpKernel(construction) {}
  // Eigen's matrices and products throw where memory is short; TensorFlow knows no exceptions.
  void Compute(OpKernelContext* context) final {
    try {
      Run(context);
    } catch (const std::bad_alloc&) {
      context->SetStatus(absl::ResourceExhaustedError("OOM when allocating a kernel's intermediate results"));
    }
  }

 protected:
  virtual void Run(OpKernelContext* context) = 0;
  // An attribute, which is `right` where it is as it `must` be.
  static float Number(OpKernelConstruction* construction, const char* name, const char* must, bool (*right)(float)) {
    float value = 0;
    auto status = construction->GetAttr(name, &value);
    if (status.ok() && !right(value)) status = wrong(construction->def().op(), name, must, value);
    if (!status.ok()) construction->SetStatus(status);
    return value;
  }
  static float Rate(OpKernelConstruction* construction) {
    return Number(construction, "rate", "at least 0 and below 1", [](float x) { return x >= 0 && x < 1; });
  }
};

// x += bias, row by row, in place; it has no output.
template <typename T>
class AddBias : public Kernel {
 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, matrix(context, 0, "x"));
    const int64_t rows = context->input(0).dim_size(0), width = context->input(0).dim_size(1);
    OP_REQUIRES_OK(context, shaped(context, 1, "bias", {width}));
    OP_REQUIRES_OK(context, alone(context, 0, "x"));
    T* x = const_cast<T*>(in<T>(context, 0));
    const ConstRow bias(in(context, 1), width);
    parallel(context, rows, width, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) write(x + i * width, width, floats(x + i * width, width) + bias);
    });
  }
};

// The sum of x's rows or, of two inputs, of the rows of x · y. Blocks of a fixed size make the order of additions, and so
// the sum, independent of the number of threads.
template <typename T>
class SumRows : public Kernel {
 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    constexpr int64_t BLOCK = 64;
    OP_REQUIRES_OK(context, matrix(context, 0, "x"));
    const int64_t rows = context->input(0).dim_size(0), width = context->input(0).dim_size(1);
    if (context->num_inputs() > 1) OP_REQUIRES_OK(context, shaped(context, 1, "y", {rows, width}));
    const T *x = in<T>(context, 0), *y = context->num_inputs() > 1 ? in<T>(context, 1) : nullptr;
    float* sum = out(context, 0, TensorShape({width}));
    if (!context->status().ok()) return;
    Matrix sums = Matrix::Zero((rows + BLOCK - 1) / BLOCK, width);
    parallel(context, sums.rows(), double(BLOCK) * width, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * BLOCK; i < std::min(end * BLOCK, rows); i++) {
        Row total(&sums(i / BLOCK, 0), width);
        const auto row = floats(x + i * width, width);
        if (y) total += row * floats(y + i * width, width);
        else total += row;
      }
    });
    Eigen::Map<Eigen::RowVectorXf>(sum, width) = sums.colwise().sum();
  }
};

template <typename T>
class Gelu : public Kernel {
 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, filled(context, 0, "x"));
    const Tensor& input = context->input(0);
    const T* x = in<T>(context, 0);
    T* y = out<T>(context, 0, input.shape());
    if (!context->status().ok()) return;
    parallel(context, input.NumElements(), 10, [=](int64_t begin, int64_t end) {
      const auto from = floats(x + begin, end - begin);
      write(y + begin, end - begin, from * 0.5f * (1 + (from * float(M_SQRT1_2)).erf()));
    });
  }
};

template <typename T>
class GeluGrad : public Kernel {
 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, filled(context, 0, "x"));
    const Tensor& input = context->input(0);
    OP_REQUIRES_OK(context, shaped(context, 1, "dy", input.shape().dim_sizes()));
    const T *x = in<T>(context, 0), *dy = in<T>(context, 1);
    T* dx = out<T>(context, 0, input.shape());
    if (!context->status().ok()) return;
    parallel(context, input.NumElements(), 20, [=](int64_t begin, int64_t end) {
      const auto from = floats(x + begin, end - begin);
      const auto cdf = 0.5f * (1 + (from * float(M_SQRT1_2)).erf());
      const auto pdf = (from.square() * -0.5f).exp() * float(M_2_SQRTPI * M_SQRT1_2 / 2);
      write(dx + begin, end - begin, floats(dy + begin, end - begin) * (cdf + from * pdf));
    });
  }
};

// y = x · keep / (1 - rate); its gradient is itself.
template <typename T>
class DropoutKernel : public Kernel {
 public:
  explicit DropoutKernel(OpKernelConstruction* c) : Kernel(c), rate_(Rate(c)) {}
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, filled(context, 0, "x"));
    OP_REQUIRES_OK(context, shaped(context, 1, "seed", {2}));
    const Tensor& input = context->input(0);
    const T* x = in<T>(context, 0);
    T* y = out<T>(context, 0, input.shape());
    const Dropout dropout(context->input(1), rate_);
    if (!context->status().ok()) return;
    parallel(context, input.NumElements(), 10, [=](int64_t begin, int64_t end) {
      constexpr int64_t BLOCK = 1024;  // stays in the nearest cache
      float factors[BLOCK];
      for (; begin < end; begin += BLOCK) {
        const int64_t count = std::min(BLOCK, end - begin);
        dropout.Fill(begin, count, factors);
        write(y + begin, count, Row(factors, count) * floats(x + begin, count));
      }
    });
  }

 private:
  float rate_;
};

// y = norm(dropout(x) + residual), row by row.
template <typename T>
class AddNorm : public Kernel {
 public:
  explicit AddNorm(OpKernelConstruction* c)
      : Kernel(c),
        rate_(Rate(c)),
        epsilon_(Number(c, "epsilon", "at least 0", [](float x) { return x >= 0; })) {}
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, matrix(context, 0, "x"));
    const auto shape = context->input(0).shape();
    const int64_t rows = shape.dim_size(0), width = shape.dim_size(1);
    OP_REQUIRES_OK(context, shaped(context, 1, "residual", shape.dim_sizes()));
    OP_REQUIRES_OK(context, shaped(context, 2, "scale", {width}));
    OP_REQUIRES_OK(context, shaped(context, 3, "shift", {width}));
    OP_REQUIRES_OK(context, shaped(context, 4, "seed", {2}));
    const T* x = in<T>(context, 0);
    const float* residual = in(context, 1);
    const ConstRow scale(in(context, 2), width), shift(in(context, 3), width);
    float* y = out(context, 0, shape);
    float* normal = out(context, 1, shape);
    float* inverse = out(context, 2, TensorShape({rows}));
    const Dropout dropout(context->input(4), rate_);
    if (!context->status().ok()) return;
    parallel(context, rows, 20.0 * width, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        Row row(normal + i * width, width);
        dropout.Fill(i * width, width, row.data());
        row = row * floats(x + i * width, width) + ConstRow(residual + i * width, width);
        row -= row.mean();
        inverse[i] = 1 / std::sqrt(row.square().mean() + epsilon_);
        row *= inverse[i];
        Row(y + i * width, width) = row * scale + shift;
      }
    });
  }

 private:
  float rate_, epsilon_;
};

template <typename T>
class AddNormGrad : public Kernel {
 public:
  explicit AddNormGrad(OpKernelConstruction* c) : Kernel(c), rate_(Rate(c)) {}
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, matrix(context, 0, "dy"));
    const auto shape = context->input(0).shape();
    const int64_t rows = shape.dim_size(0), width = shape.dim_size(1);
    OP_REQUIRES_OK(context, shaped(context, 1, "normal", shape.dim_sizes()));
    OP_REQUIRES_OK(context, shaped(context, 2, "inverse", {rows}));
    OP_REQUIRES_OK(context, shaped(context, 3, "scale", {width}));
    OP_REQUIRES_OK(context, shaped(context, 4, "seed", {2}));
    const float *dy = in(context, 0), *normal = in(context, 1), *inverse = in(context, 2);
    const ConstRow scale(in(context, 3), width);
    T* dx = out<T>(context, 0, shape);
    float* dresidual = out(context, 1, shape);
    const Dropout dropout(context->input(4), rate_);
    if (!context->status().ok()) return;
    parallel(context, rows, 20.0 * width, [=](int64_t begin, int64_t end) {
      Eigen::ArrayXf factors(width);
      for (int64_t i = begin; i < end; i++) {
        const ConstRow n(normal + i * width, width);
        Row d(dresidual + i * width, width);
        d = ConstRow(dy + i * width, width) * scale;
        d = inverse[i] * (d - d.mean() - n * (d * n).mean());
        dropout.Fill(i * width, width, factors.data());
        write(dx + i * width, width, factors * d);
      }
    });
  }

 private:
  float rate_;
};

// softmax(q · kᵀ / √D + mask), dropout, · v, head by head. q is [B·Q, A·D], k and v are [B·T, A·D], mask is [B, T].
// For the gradient only the logarithm of each softmax's sum is kept, [B, A, Q]: what is as large as the scores is
// computed anew (Dao et al., FlashAttention, 2022, §3.1).
class AttentionKernel : public Kernel {
 public:
  explicit AttentionKernel(OpKernelConstruction* c)
      : Kernel(c),
        rate_(Rate(c)),
        width_(Number(c, "width", "a whole number from 1 to 65536", [](float x) {
          return x >= 1 && x <= 65536 && x == std::floor(x);
        })) {}

 protected:
  struct Shape {
    int64_t B, T, Q, H, D, A;
    float scale;
    // T to the next whole vector: Eigen computes one by one what is not aligned or left over.
    int64_t padded() const { return (T + 15) / 16 * 16; }
  };

  // A text's mask [T], whose padding makes a probability of zero.
  static void copy_mask(const float* mask, const Shape& s, int64_t text, Eigen::ArrayXf* row) {
    row->setConstant(s.padded(), -std::numeric_limits<float>::infinity());
    row->head(s.T) = ConstRow(mask + text * s.T, s.T);
  }

  // The sizes, once the first five inputs have been checked.
  absl::Status Check(OpKernelContext* context, Shape* sizes) const {
    TF_RETURN_IF_ERROR(matrix(context, 0, "q"));
    TF_RETURN_IF_ERROR(matrix(context, 3, "mask"));
    const Tensor &q = context->input(0), &mask = context->input(3);
    const int64_t B = mask.dim_size(0), T = mask.dim_size(1), H = q.dim_size(1), D = width_;
    if (H % D != 0) return wrong(type_string(), "width", absl::StrCat("a divisor of ", H), D);
    if (q.dim_size(0) % B != 0) return wrong(context, "q", absl::StrCat("of a multiple of ", B, " rows"), q);
    TF_RETURN_IF_ERROR(shaped(context, 1, "k", {B * T, H}));
    TF_RETURN_IF_ERROR(shaped(context, 2, "v", {B * T, H}));
    TF_RETURN_IF_ERROR(shaped(context, 4, "seed", {2}));
    *sizes = {B, T, q.dim_size(0) / B, H, D, H / D, 1 / std::sqrt(float(D))};
    return absl::OkStatus();
  }

  float rate_, width_;
};

template <typename T>
class Attention : public AttentionKernel {
 public:
  using AttentionKernel::AttentionKernel;
  void Run(OpKernelContext* context) override {
    Shape s;
    OP_REQUIRES_OK(context, Check(context, &s));
    const T *q = in<T>(context, 0), *k = in<T>(context, 1), *v = in<T>(context, 2);
    const float* mask = in(context, 3);
    T* y = out<T>(context, 0, context->input(0).shape());
    float* log_sum = out(context, 1, TensorShape({s.B, s.A, s.Q}));
    const Dropout dropout(context->input(4), rate_);
    if (!context->status().ok()) return;
    parallel(context, s.B * s.A, 4.0 * s.Q * s.T * s.D, [&](int64_t begin, int64_t end) {
      const int64_t padded = s.padded();
      Matrix probabilities = Matrix::Zero(s.Q, padded);
      auto p = probabilities.leftCols(s.T);
      Eigen::ArrayXf factors = Eigen::ArrayXf::Zero(padded), text_mask;
      for (int64_t i = begin; i < end; i++) {
        const int64_t b = i / s.A, column = i % s.A * s.D;
        copy_mask(mask, s, b, &text_mask);
        probabilities.rightCols(padded - s.T).setZero();  // where the head before had NaN, so does its padding
        p.noalias() = head(q, b * s.Q, s.Q, s.H, column, s.D) *
                      head(k, b * s.T, s.T, s.H, column, s.D).transpose();
        for (int64_t t = 0; t < s.Q; t++) {
          AlignedRow row(&probabilities(t, 0), padded);
          row = row * s.scale + text_mask;
          const float most = row.maxCoeff();
          row = (row - most).exp();
          const float sum = row.sum();
          log_sum[i * s.Q + t] = most + std::log(sum);
          dropout.Fill((i * s.Q + t) * s.T, s.T, factors.data());
          row *= factors / sum;
        }
        write_head(y, b * s.Q, s.Q, s.H, column, s.D, p * head(v, b * s.T, s.T, s.H, column, s.D));
      }
    });
  }
};

template <typename T>
class AttentionGrad : public AttentionKernel {
 public:
  using AttentionKernel::AttentionKernel;
  void Run(OpKernelContext* context) override {
    Shape s;
    OP_REQUIRES_OK(context, Check(context, &s));
    OP_REQUIRES_OK(context, shaped(context, 5, "log_sum", {s.B, s.A, s.Q}));
    OP_REQUIRES_OK(context, shaped(context, 6, "dy", context->input(0).shape().dim_sizes()));
    const T *q = in<T>(context, 0), *k = in<T>(context, 1), *v = in<T>(context, 2), *dy = in<T>(context, 6);
    const float *mask = in(context, 3), *log_sum = in(context, 5);
    T* dq = out<T>(context, 0, context->input(0).shape());
    T* dk = out<T>(context, 1, context->input(1).shape());
    T* dv = out<T>(context, 2, context->input(1).shape());
    const Dropout dropout(context->input(4), rate_);
    if (!context->status().ok()) return;
    parallel(context, s.B * s.A, 10.0 * s.Q * s.T * s.D, [&](int64_t begin, int64_t end) {
      const int64_t padded = s.padded();
      Matrix rows[3] = {Matrix::Zero(s.Q, padded), Matrix::Zero(s.Q, padded), Matrix::Zero(s.Q, padded)};
      auto p = rows[0].leftCols(s.T), dropped = rows[1].leftCols(s.T), ds = rows[2].leftCols(s.T);
      Eigen::ArrayXf text_mask;
      for (int64_t i = begin; i < end; i++) {
        const int64_t b = i / s.A, column = i % s.A * s.D;
        copy_mask(mask, s, b, &text_mask);
        for (Matrix& matrix : rows) matrix.rightCols(padded - s.T).setZero();
        const auto queries = head(q, b * s.Q, s.Q, s.H, column, s.D);
        const auto keys = head(k, b * s.T, s.T, s.H, column, s.D);
        const auto d = head(dy, b * s.Q, s.Q, s.H, column, s.D);
        p.noalias() = queries * keys.transpose();
        ds.noalias() = d * head(v, b * s.T, s.T, s.H, column, s.D).transpose();
        for (int64_t t = 0; t < s.Q; t++) {
          AlignedRow row(&rows[0](t, 0), padded), kept(&rows[1](t, 0), padded), g(&rows[2](t, 0), padded);
          row = (row * s.scale + text_mask - log_sum[i * s.Q + t]).exp();
          dropout.Fill((i * s.Q + t) * s.T, s.T, kept.data());
          kept *= row;
          g *= kept;
          g = s.scale * (g - row * g.sum());
        }
        write_head(dv, b * s.T, s.T, s.H, column, s.D, dropped.transpose() * d);
        write_head(dq, b * s.Q, s.Q, s.H, column, s.D, ds * keys);
        write_head(dk, b * s.T, s.T, s.H, column, s.D, ds.transpose() * queries);
      }
    });
  }
};

// A matrix from NF4: each number is one of 16 times its block's scale, and a scale one of 256 numbers times the scale of
// its block of scales, plus an offset (lib/model/nf4.ts). In bfloat16 each number is rounded once.
template <typename T>
class Dequantize : public Kernel {
  // Sixteen numbers' bits, which also index a table of as many; and those of eight pairs, the first in the lower half.
  using Word = std::conditional_t<sizeof(T) == 2, uint16_t, uint32_t>;
  using Pair = std::conditional_t<sizeof(T) == 2, uint32_t, uint64_t>;
  typedef Word Bits __attribute__((vector_size(16 * sizeof(T))));
  typedef Pair Pairs __attribute__((vector_size(16 * sizeof(T))));

 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    constexpr int64_t BLOCK = 64, NESTED_BLOCK = 256;
    OP_REQUIRES_OK(context, shaped(context, 4, "numbers", {16}));
    OP_REQUIRES_OK(context, shaped(context, 5, "scales", {256}));
    OP_REQUIRES_OK(context, shaped(context, 6, "shape", {2}));
    OP_REQUIRES_OK(context, shaped(context, 3, "nested_offset", {}));
    const auto sizes = context->input(6).flat<int32_t>();
    const int64_t rows = sizes(0), columns = sizes(1);
    if (rows < 1 || columns < 1) {
      context->SetStatus(wrong(type_string(), "shape", "above 0", absl::StrCat(rows, ",", columns)));
      return;
    }
    // Bytes are packed four to an integer.
    const int64_t size = rows * columns, blocks = (size + BLOCK - 1) / BLOCK;
    const int64_t nested = (blocks + NESTED_BLOCK - 1) / NESTED_BLOCK;
    OP_REQUIRES_OK(context, shaped(context, 0, "codes", {blocks * BLOCK / 8}));
    OP_REQUIRES_OK(context, shaped(context, 1, "absmax", {nested * NESTED_BLOCK / 4}));
    OP_REQUIRES_OK(context, shaped(context, 2, "nested_absmax", {nested}));
    const auto* codes = reinterpret_cast<const uint8_t*>(context->input(0).flat<int32_t>().data());
    const auto* absmax = reinterpret_cast<const uint8_t*>(context->input(1).flat<int32_t>().data());
    const float *nested_absmax = in(context, 2), offset = *in(context, 3), *numbers = in(context, 4);
    const float* scales = in(context, 5);
    T* y = out<T>(context, 0, TensorShape({rows, columns}));
    if (!context->status().ok()) return;
    parallel(context, blocks, 2 * BLOCK, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        // volatile, as one rounding of the product and the sum would give other bits than two.
        volatile const float product = scales[absmax[i]] * nested_absmax[i / NESTED_BLOCK];
        const float scale = product + offset;
        T scaled[16];
        for (int j = 0; j < 16; j++) scaled[j] = T(numbers[j] * scale);
        Bits table, block[BLOCK / 16];
        std::memcpy(&table, scaled, sizeof table);
        for (int64_t j = 0; j < BLOCK / 16; j++) {
          Pairs pairs;
          for (int k = 0; k < 8; k++) pairs[k] = codes[i * BLOCK / 2 + j * 8 + k];
          pairs = pairs >> 4 | (pairs & 15) << 8 * sizeof(T);
          block[j] = __builtin_shuffle(table, Bits(pairs));
        }
        std::memcpy(y + i * BLOCK, block, std::min(BLOCK, size - i * BLOCK) * sizeof(T));
      }
    });
  }
};

// The sum of x's squares. As of rows, blocks of a fixed size make it independent of the number of threads.
template <typename T>
class SumOfSquares : public Kernel {
 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    constexpr int64_t BLOCK = 1 << 14;
    OP_REQUIRES_OK(context, filled(context, 0, "x"));
    const int64_t size = context->input(0).NumElements();
    const T* x = in<T>(context, 0);
    float* sum = out(context, 0, TensorShape({}));
    if (!context->status().ok()) return;
    Eigen::ArrayXd sums((size + BLOCK - 1) / BLOCK);
    parallel(context, sums.size(), BLOCK, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        sums[i] = floats(x + i * BLOCK, std::min(BLOCK, size - i * BLOCK)).square().sum();
      }
    });
    *sum = sums.sum();
  }
};

// One step of AdamW in PyTorch's order.
template <typename T>
class AdamW : public Kernel {
 public:
  using Kernel::Kernel;
  void Run(OpKernelContext* context) override {
    OP_REQUIRES_OK(context, filled(context, 0, "weight"));
    const auto shape = context->input(0).shape();
    OP_REQUIRES_OK(context, shaped(context, 1, "mean", shape.dim_sizes()));
    OP_REQUIRES_OK(context, shaped(context, 2, "square", shape.dim_sizes()));
    OP_REQUIRES_OK(context, shaped(context, 3, "gradient", shape.dim_sizes()));
    OP_REQUIRES_OK(context, shaped(context, 4, "numbers", {9}));
    const float *weight = in(context, 0), *mean = in(context, 1), *square = in(context, 2);
    const T* gradient = in<T>(context, 3);
    const float* numbers = in(context, 4);
    const float factor = numbers[0], decay = numbers[1], rate = numbers[2], correction = numbers[3];
    const float beta1 = numbers[4], rest1 = numbers[5], beta2 = numbers[6], rest2 = numbers[7];
    const float epsilon = numbers[8];
    float *w = out_of(context, 0, 0), *m = out_of(context, 1, 1), *s = out_of(context, 2, 2);
    if (!context->status().ok()) return;
    parallel(context, shape.num_elements(), 10, [=](int64_t begin, int64_t end) {
#pragma GCC ivdep  // an output has the memory of its own input, or of none
      for (int64_t i = begin; i < end; i++) {
        const float g = float(gradient[i]) * factor;
        m[i] = beta1 * mean[i] + rest1 * g;
        s[i] = beta2 * square[i] + rest2 * (g * g);
        w[i] = weight[i] * decay - rate * (m[i] / (std::sqrt(s[i]) * correction + epsilon));
      }
    });
  }
};

}  // namespace

#define FUSED(NAME, CLASS) REGISTER_KERNEL_BUILDER(Name(NAME).Device(tensorflow::DEVICE_CPU), CLASS)

// What is of type T is read and written in it; all arithmetic is in float32.
#define OP(NAME) REGISTER_OP(NAME).Attr("T: {float, bfloat16} = DT_FLOAT")
#define FUSED_OF(NAME, CLASS, TYPE) \
  REGISTER_KERNEL_BUILDER(Name(NAME).Device(tensorflow::DEVICE_CPU).TypeConstraint<TYPE>("T"), CLASS<TYPE>)
#define FUSED_OF_BOTH(NAME, CLASS) \
  FUSED_OF(NAME, CLASS, float);    \
  FUSED_OF(NAME, CLASS, Eigen::bfloat16)

OP("FusedAddBias").Input("x: T").Input("bias: float").SetIsStateful();
OP("FusedSumRows").Input("x: T").Output("sum: float");
REGISTER_OP("FusedSumRowProducts").Input("x: float").Input("y: float").Output("sum: float");
OP("FusedGelu").Input("x: T").Output("y: T");
OP("FusedGeluGrad").Input("x: T").Input("dy: T").Output("dx: T");
OP("FusedDropout").Input("x: T").Input("seed: int32").Attr("rate: float").Output("y: T");
OP("FusedAddNorm")
    .Input("x: T").Input("residual: float").Input("scale: float").Input("shift: float").Input("seed: int32")
    .Attr("rate: float").Attr("epsilon: float")
    .Output("y: float").Output("normal: float").Output("inverse: float");
OP("FusedAddNormGrad")
    .Input("dy: float").Input("normal: float").Input("inverse: float").Input("scale: float").Input("seed: int32")
    .Attr("rate: float")
    .Output("dx: T").Output("dresidual: float");
OP("FusedAttention")
    .Input("q: T").Input("k: T").Input("v: T").Input("mask: float").Input("seed: int32")
    .Attr("rate: float").Attr("width: float")
    .Output("y: T").Output("log_sum: float");
OP("FusedAttentionGrad")
    .Input("q: T").Input("k: T").Input("v: T").Input("mask: float").Input("seed: int32")
    .Input("log_sum: float").Input("dy: T")
    .Attr("rate: float").Attr("width: float")
    .Output("dq: T").Output("dk: T").Output("dv: T");
OP("FusedSumOfSquares").Input("x: T").Output("sum: float");
OP("FusedAdamW")
    .Input("weight: float").Input("mean: float").Input("square: float").Input("gradient: T")
    .Input("numbers: float")
    .Output("new_weight: float").Output("new_mean: float").Output("new_square: float")
    .SetIsStateful();
OP("FusedDequantize")
    .Input("codes: int32").Input("absmax: int32").Input("nested_absmax: float").Input("nested_offset: float")
    .Input("numbers: float").Input("scales: float").Input("shape: int32")
    .Output("y: T");

FUSED_OF_BOTH("FusedAddBias", AddBias);
FUSED_OF_BOTH("FusedSumRows", SumRows);
FUSED("FusedSumRowProducts", SumRows<float>);
FUSED_OF_BOTH("FusedGelu", Gelu);
FUSED_OF_BOTH("FusedGeluGrad", GeluGrad);
FUSED_OF_BOTH("FusedDropout", DropoutKernel);
FUSED_OF_BOTH("FusedAddNorm", AddNorm);
FUSED_OF_BOTH("FusedAddNormGrad", AddNormGrad);
FUSED_OF_BOTH("FusedAttention", Attention);
FUSED_OF_BOTH("FusedAttentionGrad", AttentionGrad);
FUSED_OF_BOTH("FusedSumOfSquares", SumOfSquares);
FUSED_OF_BOTH("FusedAdamW", AdamW);
FUSED_OF_BOTH("FusedDequantize", Dequantize);
