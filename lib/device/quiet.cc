// Compiled into the TensorFlow binding. TF_CPP_MIN_LOG_LEVEL does not reach what TensorFlow logs before
// absl::InitializeLog(), such as its note on oneDNN; a notebook should show warnings and errors only.
#include "absl/log/globals.h"

static const bool quiet = (absl::SetMinLogLevel(absl::LogSeverityAtLeast::kWarning), true);
