#include "server/flow/inspection.h"

#include "core/json.h"
#include "core/status.h"

namespace sub1quant {
namespace {

Json TensorToJson(const InspectedTensor& tensor) {
  return {{"index", tensor.index},        {"key", tensor.record.key},         {"dtype", DTypeName(tensor.record.dtype)},
          {"shape", tensor.record.shape}, {"file", tensor.record.file},       {"offset", tensor.record.offset},
          {"bytes", tensor.record.bytes}, {"identity", tensor.file_identity}, {"pinned", tensor.pinned_method}};
}

InspectedTensor TensorFromJson(const Json& json) {
  InspectedTensor tensor;
  tensor.index = json.at("index");
  tensor.record.key = json.at("key");
  tensor.record.dtype = ParseDType(json.at("dtype").get<std::string>()).value_or(DType::kUnknown);
  tensor.record.shape = json.at("shape").get<std::vector<int64_t>>();
  tensor.record.file = json.at("file");
  tensor.record.offset = json.at("offset");
  tensor.record.bytes = json.at("bytes");
  tensor.file_identity = json.at("identity");
  tensor.pinned_method = json.at("pinned");
  return tensor;
}

}  // namespace

std::string InspectionToJson(const Inspection& inspection) {
  const ModelFacts& facts = inspection.facts;
  Json json;
  json["facts"] = {{"name", facts.name},
                   {"architecture", facts.architecture},
                   {"config_sha256", facts.config_sha256},
                   {"selection", facts.selection},
                   {"quantizable_tensors", facts.quantizable_tensors},
                   {"quantizable_parameters", facts.quantizable_parameters},
                   {"total_bytes", facts.total_bytes},
                   {"kv_shared_unused_keys", facts.kv_shared_unused_keys}};
  json["model_identity"] = inspection.model_identity;
  json["tensors"] = Json::array();
  for (const InspectedTensor& tensor : inspection.tensors) json["tensors"].push_back(TensorToJson(tensor));
  json["kept"] = Json::array();
  for (const KeptTensor& kept : inspection.kept)
    json["kept"].push_back({{"key", kept.key},
                            {"dtype", kept.dtype},
                            {"rows", kept.rows},
                            {"cols", kept.cols},
                            {"excluded", kept.excluded},
                            {"index", kept.index},
                            {"sha256", kept.tensor_sha256}});
  json["tokens_sha256"] = inspection.tokens_sha256;
  json["token_count"] = inspection.token_count;
  json["published_windows"] = inspection.published_windows;
  json["bos_windows"] = inspection.bos_windows;
  json["window_seconds"] = inspection.window_seconds;
  return json.dump();
}

absl::StatusOr<Inspection> InspectionFromJson(const std::string& text) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  // Our own document out of our own store: a missing field is damage, not bad input.
  try {
    Inspection inspection;
    const Json& facts = json.at("facts");
    inspection.facts.name = facts.at("name");
    inspection.facts.architecture = facts.at("architecture");
    inspection.facts.config_sha256 = facts.at("config_sha256");
    inspection.facts.selection = facts.at("selection");
    inspection.facts.quantizable_tensors = facts.at("quantizable_tensors");
    inspection.facts.quantizable_parameters = facts.at("quantizable_parameters");
    inspection.facts.total_bytes = facts.at("total_bytes");
    inspection.facts.kv_shared_unused_keys = facts.at("kv_shared_unused_keys").get<std::vector<std::string>>();
    inspection.model_identity = json.at("model_identity");
    for (const Json& tensor : json.at("tensors")) inspection.tensors.push_back(TensorFromJson(tensor));
    for (const Json& kept : json.at("kept"))
      inspection.kept.push_back({kept.at("key"), kept.at("dtype"), kept.at("rows"), kept.at("cols"),
                                 kept.at("excluded"), kept.at("index"), kept.at("sha256")});
    inspection.tokens_sha256 = json.at("tokens_sha256");
    inspection.token_count = json.at("token_count");
    inspection.published_windows = json.at("published_windows");
    inspection.bos_windows = json.at("bos_windows");
    inspection.window_seconds = json.at("window_seconds");
    return inspection;
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(std::string("document of stage inspect: ") + error.what());
  }
}

}  // namespace sub1quant
