#include "server/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "proto/channel/grpc_log.h"
#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

using absl::StatusCode;

class ListenerTest : public ServiceTest {
 protected:
  ~ListenerTest() override {
    if (second_.server != nullptr) second_.server->Shutdown(std::chrono::system_clock::now());
    for (const int descriptor : descriptors_) close(descriptor);
  }
  // A second server, with services of its own.
  absl::Status ListenAgain(const std::string& address) {
    absl::StatusOr<Listener> listener = Listen(address, {&second_jobs_});
    if (!listener.ok()) return listener.status();
    second_ = *std::move(listener);
    return absl::OkStatus();
  }
  static absl::Status Ask(const std::string& address) {
    const auto stub = v1::JobService::NewStub(DialServer(address));
    return CallUnary(*stub, &v1::JobService::Stub::GetServerInfo, v1::GetServerInfoRequest(), kTimeout).status();
  }
  // A socket bound at `path`; open until the test ends.
  int BindUnix(const std::string& path, int type) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    descriptors_.push_back(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(descriptors_.back(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return descriptors_.back();
  }

  std::vector<int> descriptors_;
  JobServiceImpl second_jobs_{*context_, *metrics_, polls_};
  Listener second_;
};

TEST_F(ListenerTest, ALivingServersSocketIsRefused) {
  EXPECT_THAT(ListenAgain(address_), Refused(StatusCode::kAlreadyExists, "another server listens there"));
  EXPECT_EQ(Ask(address_), absl::OkStatus()) << "the first one goes on";
}

TEST_F(ListenerTest, ADeadServersSocketFileIsReplaced) {
  const std::string path = directory_ + "/stale";
  close(BindUnix(path, SOCK_STREAM));
  descriptors_.pop_back();
  ASSERT_TRUE(std::filesystem::is_socket(path));
  ASSERT_EQ(ListenAgain("unix:" + path), absl::OkStatus());
  EXPECT_EQ(second_.address, "unix:" + path);
  EXPECT_EQ(Ask("unix:" + path), absl::OkStatus());
}

TEST_F(ListenerTest, WhatIsNoServersSocketStays) {
  const std::string file = directory_ + "/notes.txt";
  std::ofstream(file) << "mine";
  EXPECT_THAT(ListenAgain("unix:" + file), Refused(StatusCode::kAlreadyExists, "is no socket"));
  EXPECT_EQ(std::filesystem::file_size(file), 4u);
  const std::string datagrams = directory_ + "/datagrams";
  BindUnix(datagrams, SOCK_DGRAM);  // of another program; it lives, though it takes no connections
  EXPECT_FALSE(ListenAgain("unix:" + datagrams).ok());
  EXPECT_TRUE(std::filesystem::is_socket(datagrams));
}

TEST_F(ListenerTest, APathThatNoSocketCanHaveIsRefused) {
  EXPECT_THAT(ListenAgain("unix:" + directory_ + "/" + std::string(108, 'p')),
              Refused(StatusCode::kInvalidArgument, "at most 107"));
  EXPECT_EQ(ListenAgain("unix:" + directory_ + "/no/such/folder").code(), StatusCode::kUnavailable);
}

TEST_F(ListenerTest, ATakenPortIsRefused) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  descriptors_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(descriptors_.back(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(descriptors_.back(), 1), 0);
  socklen_t size = sizeof(address);
  ASSERT_EQ(getsockname(descriptors_.back(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string taken = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  // One line about it, ours: gRPC's own would come first, in another form.
  RouteGrpcLog();
  ::testing::internal::CaptureStderr();
  const absl::Status status = ListenAgain(taken);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(status, Refused(StatusCode::kUnavailable, taken));
}

TEST_F(ListenerTest, APortThatAServerHasIsRefusedToTheNext) {
  ASSERT_EQ(ListenAgain("127.0.0.1:0"), absl::OkStatus());
  EXPECT_NE(second_.address, "127.0.0.1:0");
  EXPECT_EQ(Ask(second_.address), absl::OkStatus());
  JobServiceImpl third(*context_, *metrics_, polls_);
  EXPECT_THAT(Listen(second_.address, {&third}).status(), Refused(StatusCode::kUnavailable, second_.address));
}

}  // namespace
}  // namespace sub1quant
