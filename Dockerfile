# Serves a trained model: docker build --tag ricercar . && docker run --rm --publish 127.0.0.1:8000:8000 --volume FOLDER:/model:ro ricercar
FROM python:3.11-slim

# torch's build for CPUs; for a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

RUN useradd --create-home --uid 1000 ricercar
WORKDIR /src
COPY . .
RUN pip install --index-url ${TORCH_INDEX} torch==2.13.0
RUN pip install --constraint requirements.lock ".[serve]"

USER ricercar
WORKDIR /home/ricercar
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["ricercar", "serve", "--host", "0.0.0.0"]
CMD ["/model"]
