// What a process asks of a GPU, counted: a part of `driver.cpp`. At the end of a process that has opened a GPU, the file that
// EMULATED_COUNTS names gets a line of JSON. A call counts once, when it is made and did not fail; `recorded` says how many of all
// were recorded, not done. EMULATED_READS and EMULATED_READ_BYTES get a line of each process: how often it reads what a GPU has,
// for which it waits, and how many bytes.
#include <atomic>
#include <map>

struct Copies {
  std::atomic<long> count{0}, bytes{0};
};
static struct Counts {
  std::atomic<bool> opened{false};
  std::atomic<long> launches{0}, fills{0}, convolutions{0}, refused{0}, stream_waits{0}, event_waits{0}, memory_sets{0}, graph_launches{0},
      allocations{0}, recorded{0};
  Copies to_device, on_device, to_host;
  // How often each algorithm ran, by its pass, its number and its math.
  std::mutex guard;
  std::map<std::string, long> algorithms;

  void algorithm(int pass, int algorithm, int math) {
    static const char* const PASSES[] = {"forward", "input", "weights"};
    const std::lock_guard<std::mutex> lock(guard);
    algorithms[std::string(PASSES[pass]) + " " + std::to_string(algorithm) + " math " + std::to_string(math)]++;
  }
  ~Counts() {
    append("EMULATED_READS", std::to_string(to_host.count));
    append("EMULATED_READ_BYTES", std::to_string(to_host.bytes));
    if (opened) append("EMULATED_COUNTS", json());
  }
  std::string json() {
    std::string text = "{";
    auto add = [&](const char* name, const std::string& value) {
      text += std::string(text.size() > 1 ? ", \"" : "\"") + name + "\": " + value;
    };
    auto copies = [&](const char* name, const Copies& of) {
      add(name, "{\"count\": " + std::to_string(of.count) + ", \"bytes\": " + std::to_string(of.bytes) + "}");
    };
    add("launches", std::to_string(launches));
    add("fills", std::to_string(fills));
    add("convolutions", std::to_string(convolutions));
    add("convolutions_refused", std::to_string(refused));
    std::string ran;
    for (const auto& [name, count] : algorithms) ran += (ran.empty() ? "\"" : ", \"") + name + "\": " + std::to_string(count);
    add("algorithms", "{" + ran + "}");
    copies("host_to_device", to_device);
    copies("device_to_device", on_device);
    copies("device_to_host", to_host);
    add("stream_waits", std::to_string(stream_waits));
    add("event_waits", std::to_string(event_waits));
    add("memory_sets", std::to_string(memory_sets));
    add("graph_launches", std::to_string(graph_launches));
    add("allocations", std::to_string(allocations));
    add("recorded", std::to_string(recorded));
    return text + "}";
  }
  static void append(const char* variable, const std::string& line) {
    const char* path = std::getenv(variable);
    std::FILE* file = path ? std::fopen(path, "a") : nullptr;
    if (!file) return;
    std::fprintf(file, "%s\n", line.c_str());
    std::fclose(file);
  }
} counts;
