// Reflection and channelz: on the admin listener, and nowhere else.
#include "grpcpp/generic/generic_stub.h"
#include "server/listener.h"
#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

// Their messages as bytes on the wire: Debian ships these services without their headers.
const std::string kListServices = "\x3a\x01*";  // ServerReflectionRequest.list_services
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr char kServers[] = "/grpc.channelz.v1.Channelz/GetServers";

class AdminTest : public ServiceTest {
 protected:
  AdminTest() {
    auto admin = ListenForAdmin("unix:" + directory_ + "/admin");
    EXPECT_TRUE(admin.ok()) << admin.status();
    if (admin.ok()) admin_ = *std::move(admin);
  }
  ~AdminTest() override {
    if (admin_.listener.server != nullptr) admin_.listener.server->Shutdown(std::chrono::system_clock::now());
  }

  // One message there, one back.
  absl::StatusOr<std::string> Ask(const std::string& address, const std::string& method, const std::string& message) {
    grpc::GenericStub stub(DialServer(address));
    grpc::CompletionQueue queue;
    const auto context = NewCall(kTimeout);
    const auto call = stub.PrepareCall(context.get(), method, &queue);
    const grpc::Slice slice(message);
    grpc::ByteBuffer request(&slice, 1), response;
    grpc::Status status;
    call->StartCall(this);
    Next(queue);
    call->Write(request, this);
    if (Next(queue)) {
      call->WritesDone(this);
      Next(queue);
      call->Read(&response, this);
      Next(queue);
    }
    call->Finish(&status, this);
    Next(queue);
    queue.Shutdown();
    if (!status.ok()) return FromGrpc(status);
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(response.Dump(&slices).ok());
    std::string bytes;
    for (const grpc::Slice& part : slices) bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return bytes;
  }
  static bool Next(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }

  AdminListener admin_;
};

TEST_F(AdminTest, ReflectionDescribesTheServices) {
  const std::string services = Ask(admin_.listener.address, kReflection, kListServices).value();
  for (const char* name : {"sub1quant.v1.JobService", "sub1quant.v1.WorkerService", "sub1quant.v1.BlobService",
                           "grpc.channelz.v1.Channelz", "grpc.health.v1.Health"})
    EXPECT_THAT(services, HasSubstr(name));
  const std::string symbol = "sub1quant.v1.JobService";  // field file_containing_symbol
  const std::string request = std::string("\x22") + static_cast<char>(symbol.size()) + symbol;
  const std::string file = Ask(admin_.listener.address, kReflection, request).value();
  EXPECT_THAT(file, HasSubstr("SubmitJobRequest"));
}

TEST_F(AdminTest, ChannelzKnowsTheServersOfTheProcess) {
  EXPECT_NE(Ask(admin_.listener.address, kServers, "").value(), "");
}

TEST_F(AdminTest, TheMainAddressHasNeither) {
  EXPECT_EQ(Ask(address_, kReflection, kListServices).status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(Ask(address_, kServers, "").status().code(), StatusCode::kUnimplemented);
}

// Whoever reaches this address gets no further than descriptions.
TEST_F(AdminTest, NothingIsServedThere) {
  const auto stub = v1::JobService::NewStub(DialServer(admin_.listener.address));
  EXPECT_EQ(CallUnary(*stub, &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), kTimeout).status().code(),
            StatusCode::kUnimplemented);
}

TEST_F(AdminTest, ATakenAddressIsRefused) {
  EXPECT_EQ(ListenForAdmin(address_).status().code(), StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace sub1quant
