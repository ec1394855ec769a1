// Is this tokenizer.json the pipeline that the code here runs? Every difference is refused by name.
#pragma once

#include "absl/status/status.h"
#include "core/json.h"

namespace sub1quant {

// U+2581, which stands for a space inside the model.
inline constexpr char kMetaspace[] = "\xE2\x96\x81";

// `rest` is TokenizerFile::rest. The post-processor is not looked at: callers place <bos> themselves.
absl::Status CheckTokenizerPipeline(const Json& rest);

}  // namespace sub1quant
