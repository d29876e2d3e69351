// Asks cuDNN, on a machine without a GPU, which engines it has for convolutions on a GPU that a file describes.
//
//   offline DEVICE.json < SHAPES
//
// A line of SHAPES is a convolution with equal padding before and behind:
//
//   images channels outputs height width grid_height grid_width kernel_height kernel_width pad_y pad_x stride dilation
//
// The answer has a line for each convolution, type of the operands and pass, of fields between tabs: the number of the
// convolution from 0, the type, the pass, the engines that support it, and the engines in the order of the library's
// heuristics. An engine is its number with a letter for each of its numerical notes: `46` or `46:TD`. Where the library
// refuses the convolution itself, the fourth field is `refused` and the fifth says why. All operands lie channels last,
// begin at a multiple of 16 bytes, and are of one type. Sums are 32-bit floats.
//
// Any other fault ends the program with exit code 2: no answer is left out.

#include <cudnn.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(2);
}

// A descriptor of the library, released with this object.
class Descriptor {
public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnStatus_t status = cudnnBackendCreateDescriptor(type, &raw_);
    if (status != CUDNN_STATUS_SUCCESS) {
      fail("cuDNN makes no descriptor " + std::to_string(type) + ": " + cudnnGetErrorString(status));
    }
  }
  Descriptor(Descriptor &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  Descriptor &operator=(Descriptor &&) = delete;
  ~Descriptor() {
    if (raw_ != nullptr) cudnnBackendDestroyDescriptor(raw_);
  }

  cudnnBackendDescriptor_t raw() const { return raw_; }

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    cudnnStatus_t status = cudnnBackendSetAttribute(raw_, name, type, count, values);
    if (status != CUDNN_STATUS_SUCCESS) {
      fail("cuDNN refuses the attribute " + std::to_string(name) + ": " + cudnnGetErrorString(status));
    }
  }
  void set(cudnnBackendAttributeName_t name, int64_t value) { set(name, CUDNN_TYPE_INT64, 1, &value); }
  void set(cudnnBackendAttributeName_t name, cudnnDataType_t value) { set(name, CUDNN_TYPE_DATA_TYPE, 1, &value); }
  void set(cudnnBackendAttributeName_t name, float value) { set(name, CUDNN_TYPE_FLOAT, 1, &value); }
  void set(cudnnBackendAttributeName_t name, const Descriptor &value) {
    cudnnBackendDescriptor_t raw = value.raw();
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  }
  template <size_t N> void set(cudnnBackendAttributeName_t name, const std::array<int64_t, N> &values) {
    set(name, CUDNN_TYPE_INT64, N, values.data());
  }

  cudnnStatus_t finalize() { return cudnnBackendFinalize(raw_); }
  void must_finalize(const char *what) {
    cudnnStatus_t status = finalize();
    if (status != CUDNN_STATUS_SUCCESS) fail(std::string("cuDNN refuses ") + what + ": " + cudnnGetErrorString(status));
  }

  // How many values were written.
  int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t room, void *values) const {
    int64_t count = 0;
    cudnnStatus_t status = cudnnBackendGetAttribute(raw_, name, type, room, &count, values);
    if (status != CUDNN_STATUS_SUCCESS) {
      fail("cuDNN does not tell the attribute " + std::to_string(name) + ": " + cudnnGetErrorString(status));
    }
    return count;
  }
  int64_t get(cudnnBackendAttributeName_t name) const {
    int64_t value = 0;
    get(name, CUDNN_TYPE_INT64, 1, &value);
    return value;
  }

private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

struct Shape {
  int64_t images, channels, outputs;
  std::array<int64_t, 2> source, grid, kernel, pad;
  int64_t stride, dilation;
};

// A tensor [n, c, h, w] whose channels lie next to one another.
Descriptor tensor(int64_t id, cudnnDataType_t type, int64_t n, int64_t c, std::array<int64_t, 2> plane) {
  auto [h, w] = plane;
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16});
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::array<int64_t, 4>{n, c, h, w});
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, std::array<int64_t, 4>{h * w * c, 1, w * c, c});
  tensor.must_finalize("a tensor");
  return tensor;
}

Descriptor convolution(const Shape &shape) {
  Descriptor conv(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  conv.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  conv.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  conv.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2});
  conv.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::array<int64_t, 2>{shape.dilation, shape.dilation});
  conv.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::array<int64_t, 2>{shape.stride, shape.stride});
  conv.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, shape.pad);
  conv.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, shape.pad);
  conv.must_finalize("a convolution");
  return conv;
}

// The names that cuDNN gives to the operation of a pass and to its attributes.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t alpha, beta, conv, x, w, y;
};

constexpr Names FORWARD = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};

// Here `x` is the gradient by the input.
constexpr Names INPUT = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};

// Here `w` is the gradient by the weights.
constexpr Names WEIGHTS = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};

Descriptor operation(const Names &pass, const Descriptor &x, const Descriptor &w, const Descriptor &y,
                     const Descriptor &conv) {
  Descriptor op(pass.operation);
  op.set(pass.alpha, 1.0F);
  op.set(pass.beta, 0.0F);
  op.set(pass.conv, conv);
  op.set(pass.x, x);
  op.set(pass.w, w);
  op.set(pass.y, y);
  return op;
}

// An engine's number and the letters of its notes. A note that this program does not know is `?`.
std::string in_letters(const Descriptor &engine, int64_t number) {
  std::array<cudnnBackendNumericalNote_t, 64> notes{};
  int64_t count =
      engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), notes.data());
  std::string letters;
  for (int64_t at = 0; at < count; at++) {
    switch (notes[at]) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: letters += 'T'; break;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: letters += 'D'; break;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION: letters += 'R'; break;
    case CUDNN_NUMERICAL_NOTE_FFT: letters += 'F'; break;
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC: letters += 'N'; break;
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: letters += 'W'; break;
    case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP: letters += 'P'; break;
    default: letters += '?'; break;
    }
  }
  return std::to_string(number) + (letters.empty() ? "" : ":" + letters);
}

std::string join(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

// The engines that support a graph on the device.
std::string supporting(const Descriptor &graph, const Descriptor &device) {
  std::vector<std::string> engines;
  int64_t count = graph.get(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT);
  for (int64_t number = 0; number < count; number++) {
    Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
    engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, number);
    engine.set(CUDNN_ATTR_ENGINE_DEVICEPROP, device);
    if (engine.finalize() == CUDNN_STATUS_SUCCESS) engines.push_back(in_letters(engine, number));
  }
  return join(engines);
}

// The engines in the order of the heuristics: first those of mode A, then those that the library falls back to. An engine
// stands where it comes first.
std::string ordered(const Descriptor &graph, const Descriptor &device) {
  std::vector<std::string> engines;
  for (cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
    // A mode that has nothing to say of a graph refuses it.
    if (heuristic.finalize() != CUDNN_STATUS_SUCCESS) continue;
    int64_t room = heuristic.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
    std::vector<Descriptor> configs;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (int64_t at = 0; at < room; at++) {
      configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      raw.push_back(configs.back().raw());
    }
    int64_t found =
        room == 0 ? 0
                  : heuristic.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, room, raw.data());
    for (int64_t at = 0; at < found && at < room; at++) {
      Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
      cudnnBackendDescriptor_t to = engine.raw();
      configs[at].get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &to);
      std::string words = in_letters(engine, engine.get(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
      bool known = false;
      for (const std::string &other : engines) known = known || other == words;
      if (!known) engines.push_back(words);
    }
  }
  return join(engines);
}

// The last two fields of an answer.
std::string answer(const Shape &shape, cudnnDataType_t type, const Names &pass, const Descriptor &device) {
  Descriptor x = tensor('x', type, shape.images, shape.channels, shape.source);
  Descriptor w = tensor('w', type, shape.outputs, shape.channels, shape.kernel);
  Descriptor y = tensor('y', type, shape.images, shape.outputs, shape.grid);
  Descriptor conv = convolution(shape);
  Descriptor op = operation(pass, x, w, y, conv);
  cudnnStatus_t status = op.finalize();
  if (status != CUDNN_STATUS_SUCCESS) return std::string("refused\t") + cudnnGetErrorString(status);
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, op);
  status = graph.finalize();
  if (status != CUDNN_STATUS_SUCCESS) return std::string("refused\t") + cudnnGetErrorString(status);
  return supporting(graph, device) + "\t" + ordered(graph, device);
}

Descriptor described(const char *path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(std::string("cannot read ") + path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(text.size()), text.data());
  device.must_finalize(path);
  return device;
}

} // namespace

int main(int count, char **arguments) {
  if (count != 2) fail("usage: offline DEVICE.json < SHAPES");
  Descriptor device = described(arguments[1]);
  std::string line;
  for (int number = 0; std::getline(std::cin, line); number++) {
    std::istringstream words(line);
    Shape s{};
    words >> s.images >> s.channels >> s.outputs >> s.source[0] >> s.source[1] >> s.grid[0] >> s.grid[1] >>
        s.kernel[0] >> s.kernel[1] >> s.pad[0] >> s.pad[1] >> s.stride >> s.dilation;
    std::string more;
    if (!words || words >> more) fail("line " + std::to_string(number + 1) + " is no shape: " + line);
    for (auto [type, type_name] : {std::pair{CUDNN_DATA_FLOAT, "f32"}, std::pair{CUDNN_DATA_BFLOAT16, "bf16"}}) {
      for (auto [pass, pass_name] : {std::pair{&FORWARD, "forward"}, std::pair{&INPUT, "input"},
                                     std::pair{&WEIGHTS, "weights"}}) {
        std::printf("%d\t%s\t%s\t%s\n", number, type_name, pass_name, answer(s, type, *pass, device).c_str());
      }
    }
  }
  return 0;
}
