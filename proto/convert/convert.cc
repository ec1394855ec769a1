#include "proto/convert/convert.h"

#include <algorithm>

#include "core/status.h"

namespace sub1quant {

namespace {

// Trailers share an 8 KiB budget with the rest of the metadata.
constexpr size_t kMaxMessageBytes = 2000;

// Proto maps have no order; values are sorted by key.
template <typename Map, typename Pairs>
void FromMap(const Map& map, Pairs* pairs) {
  for (const auto& [key, value] : map) pairs->emplace_back(key, value);
  std::sort(pairs->begin(), pairs->end());
}

void QuantizationFromProto(const v1::JobSpecification& proto, JobSpecification* s) {
  s->quantize = proto.quantize();
  s->checkpoint_manifest_sha256 = proto.checkpoint_manifest_sha256();
  s->target_bpw.assign(proto.target_bpw().begin(), proto.target_bpw().end());
  s->uniform = proto.uniform();
  FromMap(proto.allocation(), &s->allocation);
  s->formats.assign(proto.formats().begin(), proto.formats().end());
  s->group_size = proto.group_size();
  s->allocator = proto.allocator();
  FromMap(proto.activation_weights(), &s->activation_weights);
  for (const v1::PinRule& pin : proto.pins()) s->pins.push_back({pin.regex(), pin.format()});
  s->excludes.assign(proto.excludes().begin(), proto.excludes().end());
}

void EvaluationFromProto(const v1::JobSpecification& proto, JobSpecification* s) {
  s->evaluate = proto.evaluate();
  s->baseline = proto.baseline();
  s->window = proto.window();
  s->stride = proto.stride();
  s->max_chunks = proto.max_chunks();
  s->dtype = proto.dtype();
  s->published_protocol = proto.published_protocol();
  s->bos_per_window_protocol = proto.bos_per_window_protocol();
}

}  // namespace

v1::ModelReference ToProto(const ModelReference& reference) {
  v1::ModelReference proto;
  proto.set_root(reference.root);
  proto.set_path(reference.path);
  return proto;
}

ModelReference FromProto(const v1::ModelReference& proto) { return {proto.root(), proto.path()}; }

v1::JobSpecification ToProto(const JobSpecification& s) {
  v1::JobSpecification proto;
  *proto.mutable_model() = ToProto(ModelReference{s.model_root, s.model_path});
  proto.set_model_name(s.model_name);
  proto.set_corpus_sha256(s.corpus_sha256);
  proto.set_corpus_name(s.corpus_name);
  proto.set_quantize(s.quantize);
  proto.set_checkpoint_manifest_sha256(s.checkpoint_manifest_sha256);
  for (double target : s.target_bpw) proto.add_target_bpw(target);
  proto.set_uniform(s.uniform);
  for (const auto& [key, method] : s.allocation) (*proto.mutable_allocation())[key] = method;
  for (const std::string& method : s.formats) proto.add_formats(method);
  proto.set_group_size(s.group_size);
  proto.set_allocator(s.allocator);
  for (const auto& [key, weight] : s.activation_weights) (*proto.mutable_activation_weights())[key] = weight;
  for (const PinRule& pin : s.pins) {
    v1::PinRule* out = proto.add_pins();
    out->set_regex(pin.regex);
    out->set_format(pin.format);
  }
  for (const std::string& regex : s.excludes) proto.add_excludes(regex);
  proto.set_evaluate(s.evaluate);
  proto.set_baseline(s.baseline);
  proto.set_window(s.window);
  proto.set_stride(s.stride);
  proto.set_max_chunks(s.max_chunks);
  proto.set_dtype(s.dtype);
  proto.set_published_protocol(s.published_protocol);
  proto.set_bos_per_window_protocol(s.bos_per_window_protocol);
  proto.set_label(s.label);
  return proto;
}

absl::StatusOr<JobSpecification> FromProto(const v1::JobSpecification& proto) {
  JobSpecification s;
  s.model_root = proto.model().root();
  s.model_path = proto.model().path();
  s.model_name = proto.model_name();
  s.corpus_sha256 = proto.corpus_sha256();
  s.corpus_name = proto.corpus_name();
  s.label = proto.label();
  QuantizationFromProto(proto, &s);
  EvaluationFromProto(proto, &s);
  SUB1QUANT_RETURN_IF_ERROR(Validate(s));
  return s;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message().data(), std::min(status.message().size(), kMaxMessageBytes));
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()), message);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace sub1quant
