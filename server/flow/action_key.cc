#include "server/flow/action_key.h"

#include "core/digest.h"
#include "quant/codec/codec.h"

namespace sub1quant {
namespace {

// Bumped when an operation's answer changes for the same inputs.
constexpr int kSearchVersion = 1, kPackVersion = 1, kScoreVersion = 1, kExportVersion = 1;

class KeyMaker {
 public:
  KeyMaker(const std::string& operation, int version) {
    Add(operation);
    Add(version);
  }
  void Add(const std::string& field) { digest_.UpdateField(field); }
  void Add(int64_t value) { digest_.UpdateField(std::to_string(value)); }
  // The bytes of a tensor, by the version of its file. The name of the file is not part of it.
  void AddTensor(const TensorRecord& tensor, const std::string& file_identity) {
    Add(file_identity);
    Add(tensor.key);
    Add(DTypeName(tensor.dtype));
    Add(tensor.rows());
    Add(tensor.cols());
    Add(static_cast<int64_t>(tensor.offset));
  }
  void AddMethod(const std::string& method) {
    Add(method);
    const Codec* codec = FindCodec(method);
    Add(codec == nullptr ? 0 : codec->version());
  }
  std::string Finish() { return digest_.HexDigest(); }

 private:
  Sha256 digest_;
};

std::string KeyOf(const SearchTask& task) {
  KeyMaker key("search", kSearchVersion);
  key.AddTensor(task.tensor, task.file_identity);
  key.Add(task.group_size);
  for (const std::string& method : task.methods) key.AddMethod(method);
  return key.Finish();
}

std::string KeyOf(const PackTask& task) {
  KeyMaker key("pack", kPackVersion);
  key.AddTensor(task.tensor, task.file_identity);
  key.Add(task.group_size);
  key.AddMethod(task.method);
  return key.Finish();
}

std::string KeyOf(const ScoreTask& task) {
  KeyMaker key("score", kScoreVersion);
  key.Add(task.model_identity);
  key.Add(task.manifest_sha256);
  key.Add(task.tokens_sha256);
  key.Add(task.bos_per_window ? 1 : 0);
  for (const int64_t value : {task.window, task.stride, task.first, task.count}) key.Add(value);
  key.Add(task.dtype);
  return key.Finish();
}

std::string KeyOf(const ExportTask& task) {
  KeyMaker key("export", kExportVersion);
  key.Add(task.manifest_sha256);
  key.Add(task.target);
  return key.Finish();
}

}  // namespace

std::string ActionKeyOf(const Task& task) {
  return std::visit([](const auto& value) { return KeyOf(value); }, task);
}

}  // namespace sub1quant
