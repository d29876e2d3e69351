// NCCL as far as this program calls it, between processes by sockets: a part of `driver.cpp`. What is started goes
// on beside the program, as on a GPU, and all later work of the stream waits for it. Where a rank is gone it never ends,
// and neither does what waits for it. It is strict where the library would hang or be wrong silently: a call, or a kernel,
// before the last call has come to its end; two ranks on one GPU; a transfer outside of a group.
//
// EMULATED_NCCL has the version, as 22707 for 2.27.7.
// EMULATED_NCCL_ORDER=ranks lets sums be added in the order of ranks, not from the last to the first.
// EMULATED_NCCL_DIES=R:N kills rank R in its Nth group. With EMULATED_NCCL_TELLS, the others' state is then an error.
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

enum { NCCL_INVALID_ARGUMENT = 4, NCCL_INVALID_USAGE = 5, NCCL_REMOTE_ERROR = 6, NCCL_IN_PROGRESS = 7 };

// The transfers of the stream. Those of a rank that is gone are stuck.
static std::mutex traffic;
static std::condition_variable landed;
static bool flying, stuck;
static std::atomic<bool> unsettled;

// Waits for what was started. False if that never ends: then nothing behind it happens.
static bool settled() {
  std::unique_lock<std::mutex> lock(traffic);
  landed.wait(lock, [] { return !flying || stuck; });
  return !stuck;
}
[[maybe_unused]] static void forever() {
  for (;;) pause();
}
API cuEventQuery(void*) {
  const std::lock_guard<std::mutex> lock(traffic);
  return driver(flying || stuck ? NOT_READY : OK);
}

struct Id { char name[128]; };
struct Settings { std::size_t size; unsigned magic, version; int blocking; };
struct Transfer { bool send; float* at; std::size_t count; int peer; };
struct Comm {
  int rank, size, device, listener, groups;
  std::vector<int> links;
  std::vector<Transfer> asked;
  std::vector<float*> summed;
  std::size_t sum_count;
  std::atomic<int> state;
  std::atomic<bool> left;
  std::thread joining;
};
static Comm* grouped;
static bool in_group;

static bool moved(int link, void* at, std::size_t bytes, bool send) {
  for (char* from = static_cast<char*>(at); bytes > 0;) {
    const ssize_t some = send ? ::send(link, from, bytes, MSG_NOSIGNAL) : recv(link, from, bytes, 0);
    if (some <= 0) return false;
    from += some, bytes -= some;
  }
  return true;
}
static sockaddr_un address(const Id& id, int rank, socklen_t* length) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  const int count = std::snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "%s.%d", id.name, rank);
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + count);
  return at;
}
// Links a rank to all others, each of which tells its rank and its GPU. Gives the state.
static int joined(Comm* comm, Id id) {
  for (int peer = 0; peer < comm->size; peer++) {
    if (peer == comm->rank) continue;
    int link = -1, own[2] = {comm->rank, comm->device}, other[2];
    if (peer > comm->rank) {
      link = accept(comm->listener, nullptr, nullptr);
    } else {
      socklen_t length;
      const sockaddr_un at = address(id, peer, &length);
      link = socket(AF_UNIX, SOCK_STREAM, 0);
      while (!comm->left && connect(link, reinterpret_cast<const sockaddr*>(&at), length) != 0) usleep(1000);
    }
    if (!moved(link, own, sizeof own, true) || !moved(link, other, sizeof other, false)) return NCCL_IN_PROGRESS;
    if (other[1] == comm->device) return NCCL_INVALID_USAGE;
    comm->links[other[0]] = link;
  }
  return OK;
}
static bool carried(Comm* comm, const std::vector<Transfer>& all) {
  std::atomic<bool> whole = true;
  std::vector<std::thread> threads;
  for (const Transfer& one : all) {
    threads.emplace_back([&whole, &one, comm] {
      if (!moved(comm->links[one.peer], one.at, one.count * sizeof(float), one.send)) whole = false;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return whole;
}
// Every rank has all values of all ranks, and adds them.
static bool added(Comm* comm, float* values, std::size_t count) {
  std::vector<std::vector<float>> parts(comm->size, std::vector<float>(values, values + count));
  std::vector<Transfer> all;
  for (int peer = 0; peer < comm->size; peer++) {
    if (peer == comm->rank) continue;
    all.push_back({true, values, count, peer});
    all.push_back({false, parts[peer].data(), count, peer});
  }
  if (!carried(comm, all)) return false;
  const char* order = std::getenv("EMULATED_NCCL_ORDER");
  const bool forwards = order && std::string(order) == "ranks";
  for (std::size_t i = 0; i < count; i++) {
    float sum = parts[forwards ? 0 : comm->size - 1][i];
    for (int step = 1; step < comm->size; step++) sum += parts[forwards ? step : comm->size - 1 - step][i];
    values[i] = sum;
  }
  return true;
}

API ncclGetVersion(int* version) {
  const char* number = std::getenv("EMULATED_NCCL");
  return *version = number ? std::atoi(number) : 22707, OK;
}
extern "C" __attribute__((visibility("default"))) const char* ncclGetErrorString(int) { return "an emulated error"; }
extern "C" __attribute__((visibility("default"))) const char* ncclGetLastError(void*) { return nullptr; }
API ncclGetUniqueId(Id* id) { return std::snprintf(id->name, sizeof id->name, "emulated-nccl-%d", getpid()), OK; }
API ncclCommInitRankConfig(Comm** made, int size, Id id, int rank, Settings* settings) {
  const bool taken = settings->size == 24 && settings->magic == 0xcafebeef && settings->version == 21400;
  if (broken) return NCCL_CUDA_ERROR;
  if (!current || !taken || settings->blocking != 0 || rank >= size) return NCCL_INVALID_ARGUMENT;
  Comm* comm = *made = new Comm{};
  comm->rank = rank, comm->size = size, comm->device = device_of(current), comm->links.assign(size, -1);
  comm->state = NCCL_IN_PROGRESS;
  socklen_t length;
  const sockaddr_un at = address(id, rank, &length);
  comm->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(comm->listener, reinterpret_cast<const sockaddr*>(&at), length) != 0 || listen(comm->listener, size) != 0) {
    return NCCL_INVALID_USAGE;
  }
  comm->joining = std::thread([comm, id] { comm->state = joined(comm, id); });
  return NCCL_IN_PROGRESS;
}
API ncclCommGetAsyncError(Comm* comm, int* state) {
  // A group that is on its way stands in line from the second look on.
  if (broken) return *state = NCCL_CUDA_ERROR, OK;
  *state = unsettled.exchange(false) ? static_cast<int>(NCCL_IN_PROGRESS) : comm->state.load();
  return OK;
}
API ncclCommAbort(Comm* comm) {
  comm->left = true;
  shutdown(comm->listener, SHUT_RDWR);
  for (int link : comm->links) shutdown(link, SHUT_RDWR);
  comm->joining.join();
  for (int link : comm->links) close(link);
  close(comm->listener);
  std::unique_lock<std::mutex> lock(traffic);
  landed.wait(lock, [] { return !flying; });
  stuck = false;
  delete comm;
  return OK;
}
API ncclGroupStart() {
  if (broken) return NCCL_CUDA_ERROR;
  if (in_group || unsettled || !current) return NCCL_INVALID_USAGE;
  return in_group = true, grouped = nullptr, OK;
}
static int asked(Comm* comm, Transfer transfer, int type, void* stream) {
  const bool valid = in_group && comm->state == OK && transfer.count > 0 && transfer.peer != comm->rank && type == 7 && stream;
  if (!valid) return NCCL_INVALID_ARGUMENT;
  return grouped = comm, comm->asked.push_back(transfer), library(OK, NCCL_CUDA_ERROR);
}
API ncclSend(float* at, std::size_t count, int type, int peer, Comm* comm, void* stream) {
  return asked(comm, {true, at, count, peer}, type, stream);
}
API ncclRecv(float* at, std::size_t count, int type, int peer, Comm* comm, void* stream) {
  return asked(comm, {false, at, count, peer}, type, stream);
}
API ncclAllReduce(float* from, float* to, std::size_t count, int type, int sum, Comm* comm, void* stream) {
  if (!in_group || comm->state != OK || from != to || type != 7 || sum != 0 || !stream) return NCCL_INVALID_ARGUMENT;
  return grouped = comm, comm->summed.push_back(to), comm->sum_count = count, library(OK, NCCL_CUDA_ERROR);
}
API ncclGroupEnd() {
  if (!in_group) return NCCL_INVALID_USAGE;
  in_group = false;
  if (broken) return NCCL_CUDA_ERROR;
  Comm* comm = grouped;
  if (!comm) return OK;
  std::vector<Transfer> all;
  std::vector<float*> sums;
  all.swap(comm->asked), sums.swap(comm->summed);
  int rank, group;
  const char* dies = std::getenv("EMULATED_NCCL_DIES");
  if (dies && std::sscanf(dies, "%d:%d", &rank, &group) == 2 && rank == comm->rank && group == ++comm->groups) {
    raise(SIGKILL);
  }
  unsettled = true;
  if (!settled()) return NCCL_IN_PROGRESS;
  flying = true;
  std::thread([comm, all, sums] {
    bool whole = carried(comm, all);
    for (float* at : sums) whole = whole && added(comm, at, comm->sum_count);
    if (!whole && std::getenv("EMULATED_NCCL_TELLS")) comm->state = NCCL_REMOTE_ERROR;
    const std::lock_guard<std::mutex> lock(traffic);
    flying = false, stuck = !whole;
    landed.notify_all();
  }).detach();
  return NCCL_IN_PROGRESS;
}
