#include "tests/unit/quant/eval/torch/stream_checker.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"

namespace sub1quant::testing {
namespace {

using c10::StreamId;
using Clock = std::map<StreamId, uint64_t>;

constexpr StreamId kCompute = 0;

std::atomic<uint64_t> stream_calls{0};
thread_local StreamId current_stream = kCompute;

void Join(Clock& clock, const Clock& other) {
  for (const auto& [stream, time] : other) clock[stream] = std::max(clock[stream], time);
}

struct Block {
  char* data = nullptr;
  size_t size = 0;
  StreamId pool = kCompute;
  bool named = false;  // for another stream than the pool's
  StreamId writer = kCompute;
  uint64_t written = 0;  // when, by the clock of `writer`; 0: never
  Clock read;            // by each stream last
  std::string write_operator, read_operator;
};

struct Event {
  Clock clock;
  size_t copies = 0;  // given to the device before it
};

class Books {
 public:
  static Books& Instance() {
    static auto* const books = new Books;
    return *books;
  }

  void Open(const StreamChecker::Options& options) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    options_ = options;
    for (const auto& [data, block] : blocks_) {  // that outlived a checker
      block->written = 0;
      block->read.clear();
    }
    clocks_.clear();
    at_last_wait_.clear();
    races_.clear();
    seen_.clear();
    late_.clear();
    arrived_ = 0;
    written_ = {};
  }
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = false;
    for (const auto& [size, block] : idle_) Drop(block);
    for (const Block* block : retired_) Drop(block);
    idle_.clear();
    retired_.clear();
  }

  // Streams and events.
  void Exchange(StreamId stream) {
    if (!open_ || options_.bug != StreamBug::kGuardForgotten) current_stream = stream;
  }
  void Record(Event& event, StreamId stream) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool copies = stream != kCompute;
    const bool early = options_.bug == (copies ? StreamBug::kFilledRecordedEarly : StreamBug::kUsedRecordedEarly);
    const bool wrong = options_.bug == (copies ? StreamBug::kFilledOnWrongStream : StreamBug::kUsedOnWrongStream);
    if (copies) copier_ = stream;
    event.clock = early ? at_last_wait_[stream] : clocks_[wrong ? (copies ? kCompute : copier_) : stream];
    event.copies = copies && !early && !wrong ? arrived_ + late_.size() : 0;
  }
  void Wait(const Event& event, StreamId stream) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto forgotten = stream == kCompute ? StreamBug::kFilledWaitForgotten : StreamBug::kUsedWaitForgotten;
    if (options_.bug != forgotten) {
      Join(clocks_[stream], event.clock);
      if (stream == kCompute) Arrive(event.copies);
    }
    at_last_wait_[stream] = clocks_[stream];
  }
  void HostWaits(const Event& event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Arrive(event.copies);
  }
  void Name(const void* data, StreamId stream) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Block* block = Find(data);
    if (block != nullptr && stream != block->pool && options_.bug != StreamBug::kUseNotNamed) block->named = true;
  }

  // Memory.
  void* Allocate(size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (size == 0) return nullptr;
    for (auto found = idle_.lower_bound(size); found != idle_.end(); ++found) {
      if (found->second->pool != current_stream) continue;
      char* data = found->second->data;
      idle_.erase(found);
      return data;
    }
    auto block = std::make_unique<Block>();
    void* data = nullptr;
    if (posix_memalign(&data, 64, size) != 0) throw std::bad_alloc();
    block->data = static_cast<char*>(data);
    block->size = size;
    block->pool = current_stream;
    blocks_[block->data] = std::move(block);
    return data;
  }
  void Free(void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (data == nullptr) return;
    Block* block = blocks_.at(static_cast<char*>(data)).get();
    if (!open_) return Drop(block);
    // Named for another stream, it would be used again after an event there: in order, and so of no interest.
    block->named ? retired_.push_back(block) : static_cast<void>(idle_.emplace(block->size, block));
  }

  // Uses.
  void Use(const void* data, bool write, const std::string& operation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (open_) UseLocked(data, write, operation);
  }
  void HostWrote(void* data, size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!open_ || Find(data) == nullptr) return;
    UseLocked(data, /*write=*/true, "a copy");
    (current_stream == kCompute ? written_.by_compute : written_.by_copies) += size;
    if (current_stream == kCompute) return;
    if (clocks_[current_stream][kCompute] < clocks_[kCompute][kCompute]) written_.beside_kernels += size;
    if (!options_.copy_late) return;
    late_.emplace_back(data, std::string(static_cast<char*>(data), size));
    std::memset(data, 0xff, size);
  }

  const std::vector<std::string>& races() const { return races_; }
  const StreamChecker::Written& written() const { return written_; }

 private:
  void Drop(const Block* block) {
    std::free(block->data);
    blocks_.erase(block->data);
  }
  Block* Find(const void* data) {
    const char* at = static_cast<const char*>(data);
    auto after = blocks_.upper_bound(const_cast<char*>(at));
    if (after == blocks_.begin()) return nullptr;
    Block* block = std::prev(after)->second.get();
    return at < block->data + block->size ? block : nullptr;
  }
  // The first `count` copies of all have arrived.
  void Arrive(size_t count) {
    for (; arrived_ < count; ++arrived_) {
      const auto& [data, bytes] = late_.front();
      std::memcpy(data, bytes.data(), bytes.size());
      late_.pop_front();
    }
  }
  void UseLocked(const void* data, bool write, const std::string& operation) {
    Block* block = Find(data);
    if (block == nullptr) return;
    Clock& clock = clocks_[current_stream];
    const uint64_t now = ++clock[current_stream];
    if (block->written > clock[block->writer]) Race(operation, "wrote", block->write_operator, block->writer);
    if (write) {
      for (const auto& [stream, time] : block->read) {
        if (time > clock[stream]) Race(operation, "reads", block->read_operator, stream);
      }
      block->writer = current_stream;
      block->written = now;
      block->write_operator = operation;
      block->read.clear();
    } else {
      block->read[current_stream] = now;
      block->read_operator = operation;
    }
  }
  void Race(const std::string& operation, const char* does, const std::string& other, StreamId stream) {
    if (!seen_.insert(operation + "/" + does + "/" + other).second) return;
    races_.push_back(absl::StrCat(operation, " in stream ", current_stream, " uses memory that ", other, " ", does,
                                  " in stream ", stream, ", in no order"));
  }

  std::mutex mutex_;
  std::atomic<bool> open_{false};
  StreamChecker::Options options_;
  std::map<StreamId, Clock> clocks_, at_last_wait_;
  StreamId copier_ = kCompute;
  std::map<char*, std::unique_ptr<Block>> blocks_;  // by their beginning
  std::multimap<size_t, Block*> idle_;              // by size
  std::vector<Block*> retired_;                     // freed, and not to be had again
  std::vector<std::string> races_;
  std::set<std::string> seen_;
  std::deque<std::pair<void*, std::string>> late_;  // copies that have not arrived
  size_t arrived_ = 0;
  StreamChecker::Written written_;
};

class PoolAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* data = Books::Instance().Allocate(size);
    return {data, data, &Release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Release; }
  void copy_data(void* to, const void* from, size_t size) const override { default_copy_data(to, from, size); }

 private:
  static void Release(void* data) { Books::Instance().Free(data); }
};

struct CheckedGuard final : public c10::impl::DeviceGuardImplInterface {
  static c10::Stream Of(StreamId id) { return c10::Stream(c10::Stream::UNSAFE, kCheckedDevice, id); }

  c10::DeviceType type() const override { return kCheckedDevice.type(); }
  c10::Device exchangeDevice(c10::Device) const override { return kCheckedDevice; }
  c10::Device getDevice() const override { return kCheckedDevice; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream getStream(c10::Device) const override {
    ++stream_calls;
    return Of(current_stream);
  }
  c10::Stream getNewStream(c10::Device, int) const override {
    static std::atomic<StreamId> next{1};
    ++stream_calls;
    return Of(next++);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    ++stream_calls;
    const StreamId before = current_stream;
    Books::Instance().Exchange(stream.id());
    return Of(before);
  }
  void record(void** event, const c10::Stream& stream, c10::DeviceIndex, c10::EventFlag) const override {
    ++stream_calls;
    if (*event == nullptr) *event = new Event;
    Books::Instance().Record(*static_cast<Event*>(*event), stream.id());
  }
  void block(void* event, const c10::Stream& stream) const override {
    Books::Instance().Wait(*static_cast<Event*>(event), stream.id());
  }
  void synchronizeEvent(void* event) const override { Books::Instance().HostWaits(*static_cast<Event*>(event)); }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete static_cast<Event*>(event); }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    Books::Instance().Name(data.get(), stream.id());
  }
};

// Which arguments an operator writes, and whether its results are its own.
struct Effects {
  bool view = false;  // touches no values
  std::vector<bool> writes;
};

const Effects& EffectsOf(const c10::OperatorName& name) {
  static std::mutex mutex;
  static std::map<std::string, Effects> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [found, is_new] = known.try_emplace(absl::StrCat(name.name, ".", name.overload_name));
  if (!is_new) return found->second;
  const auto handle = c10::Dispatcher::singleton().findSchema(name);
  SUB1QUANT_CHECK(handle.has_value());
  const c10::FunctionSchema& schema = handle->schema();
  for (const c10::Argument& argument : schema.arguments()) {
    found->second.writes.push_back(argument.alias_info() != nullptr && argument.alias_info()->isWrite());
  }
  for (const c10::Argument& result : schema.returns()) {
    found->second.view |= result.alias_info() != nullptr && !result.alias_info()->isWrite();
  }
  return found->second;
}

void UseValue(const c10::IValue& value, bool write, const std::string& operation) {
  const auto use = [&](const at::Tensor& tensor) {
    if (tensor.defined() && tensor.has_storage()) {
      Books::Instance().Use(tensor.storage().data(), write, operation);
    }
  };
  if (value.isTensor()) use(value.toTensor());
  if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) use(tensor);
  }
}

std::unique_ptr<at::ObserverContext> BeforeOperator(const at::RecordFunction& function) {
  const auto name = function.operator_name();
  if (!name.has_value()) return nullptr;
  const Effects& effects = EffectsOf(*name);
  for (size_t i = 0; i < function.inputs().size() && !effects.view; ++i) {
    UseValue(function.inputs()[i], effects.writes.at(i), name->name);
  }
  return nullptr;
}

void AfterOperator(const at::RecordFunction& function, at::ObserverContext*) {
  const auto name = function.operator_name();
  if (!name.has_value() || EffectsOf(*name).view) return;
  for (const c10::IValue& value : function.outputs()) UseValue(value, /*write=*/true, name->name);
}

at::CallbackHandle operator_callback;
c10::Allocator* cpu_allocator = nullptr;
constexpr uint8_t kAllocatorPriority = 1;  // as BufferPool's: the last one of it counts

}  // namespace

std::string NameOf(StreamBug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "filled: wait forgotten",
                                           "used: wait forgotten",
                                           "filled: recorded early",
                                           "used: recorded early",
                                           "filled: recorded on the wrong stream",
                                           "used: recorded on the wrong stream",
                                           "use not named to the allocator",
                                           "stream of copies never the current one"};
  return kNames[static_cast<size_t>(bug)];
}

StreamChecker::StreamChecker(Options options) {
  static const bool registered = [] {
    c10::impl::registerDeviceGuard(kCheckedDevice.type(), new CheckedGuard);
    return true;
  }();
  SUB1QUANT_CHECK(registered);
  static auto* const pool = new PoolAllocator;  // tensors may outlive the checker
  Books::Instance().Open(options);
  cpu_allocator = c10::GetCPUAllocator();
  c10::SetCPUAllocator(pool, kAllocatorPriority);
  operator_callback = at::addGlobalCallback(at::RecordFunctionCallback(&BeforeOperator, &AfterOperator)
                                                .needsInputs(true)
                                                .needsOutputs(true)
                                                .scopes({at::RecordScope::FUNCTION}));
}

StreamChecker::~StreamChecker() {
  at::removeCallback(operator_callback);
  c10::SetCPUAllocator(cpu_allocator, kAllocatorPriority);
  Books::Instance().Close();
}

void StreamChecker::HostWrote(void* data, size_t size) { Books::Instance().HostWrote(data, size); }
const std::vector<std::string>& StreamChecker::races() const { return Books::Instance().races(); }
StreamChecker::Written StreamChecker::written() const { return Books::Instance().written(); }

uint64_t StreamCalls() { return stream_calls; }

}  // namespace sub1quant::testing
