// A job on the small model, and answers to its tasks that a server cannot tell from computed ones.
#pragma once

#include <string>
#include <variant>

#include "core/digest.h"
#include "quant/artifact/blob_store.h"
#include "quant/codec/codec.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"

namespace sub1quant::testing {

// Under the root `models`, with a text of so many lines in `blobs`.
inline JobSpecification TinyJob(BlobStore& blobs, int lines) {
  JobSpecification job;
  job.model_root = "models";
  job.model_path = job.model_name = "gemma4-tiny";
  job.window = job.stride = 64;
  std::string text;
  for (int i = 0; i < lines; ++i) text += " The quick brown fox jumps over the lazy dog.\n";
  job.corpus_sha256 = PutBlob(blobs, text).value();
  job.corpus_name = "fox.txt";
  return job;
}

class FakeAnswers {
 public:
  explicit FakeAnswers(BlobStore& blobs) : blobs_(blobs) {}

  TaskResult Answer(const Task& task) {
    return std::visit([&](const auto& of_kind) { return AnswerTo(of_kind); }, task);
  }

 private:
  TaskResult AnswerTo(const SearchTask& task) {
    SearchResult result{Sha256Hex(task.tensor.key), {}};
    for (const std::string& method : task.methods) result.rows.push_back(Row(task.tensor, task.group_size, method));
    return result;
  }
  TaskResult AnswerTo(const PackTask& task) {
    const std::string packed = task.tensor.key + task.method;
    return PackResult{Sha256Hex(task.tensor.key), PutBlob(blobs_, packed).value(), packed.size(), packed.size(),
                      Row(task.tensor, task.group_size, task.method)};
  }
  // Every window has perplexity e^2.
  TaskResult AnswerTo(const ScoreTask& task) {
    ScoreResult result;
    for (int64_t i = task.first; i < task.first + task.count; ++i) {
      WindowScore window{i, 10, 10, {}, {}};
      window.nll.Add(20);
      result.windows.push_back(window);
    }
    result.dtype = "float32";
    result.device = "cpu";
    return result;
  }
  TaskResult AnswerTo(const ExportTask&) { return ExportResult{PutBlob(blobs_, "checkpoint").value(), 10}; }

  // The fewer bits, the larger the error.
  static CandidateRow Row(const TensorRecord& tensor, int group_size, const std::string& method) {
    CandidateRow row;
    row.method = method;
    row.bits = FindCodec(method)->NominalBits(tensor.rows(), tensor.cols(), group_size);
    row.error.Add(1e6 / static_cast<double>(row.bits));
    return row;
  }

  BlobStore& blobs_;
};

}  // namespace sub1quant::testing
